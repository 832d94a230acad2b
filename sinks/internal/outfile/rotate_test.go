package outfile

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

func TestRotate(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)
	type step struct {
		after time.Duration
		lines int // of 10 bytes
	}
	tests := []struct {
		name  string
		cfg   LinesConfig
		there string
		steps []step
		want  map[string]string
	}{
		{
			"numbered by size",
			LinesConfig{Path: "a.jsonl", Exists: Append, Rotate: Rotate{Size: 30}},
			"",
			[]step{{0, 2}, {0, 1}, {0, 3}, {0, 1}},
			map[string]string{"a-2.jsonl": "012", "a-3.jsonl": "345", "a.jsonl": "6"},
		},
		{
			"dated by time",
			LinesConfig{Path: "{{date}}.jsonl", Exists: Append, Rotate: Rotate{Every: config.Duration(day)}},
			"",
			[]step{{0, 1}, {11 * time.Hour, 1}, {time.Hour, 1}, {48 * time.Hour, 0}, {0, 1}},
			map[string]string{"2026-03-04.jsonl": "01", "2026-03-05.jsonl": "2", "2026-03-07.jsonl": "3"},
		},
		{
			"numbered by time",
			LinesConfig{Path: "a.jsonl", Exists: Append, Rotate: Rotate{Every: config.Duration(time.Hour)}},
			"",
			[]step{{30 * time.Minute, 1}, {29 * time.Minute, 1}, {time.Minute, 1}},
			map[string]string{"a-2.jsonl": "01", "a.jsonl": "2"},
		},
		{
			"what was there counts",
			LinesConfig{Path: "a.jsonl", Exists: Append, Rotate: Rotate{Size: 20}},
			`{"n":"x"}` + "\n" + `{"n":"y"}` + "\n",
			[]step{{0, 1}},
			map[string]string{"a-2.jsonl": "xy", "a.jsonl": "0"},
		},
		{
			"renamed",
			LinesConfig{Path: "a.jsonl", Exists: Rename, Rotate: Rotate{Size: 10}},
			`{"n":"x"}` + "\n",
			[]step{{0, 1}, {0, 1}},
			map[string]string{"a.jsonl": "x", "a-2.jsonl": "0", "a-3.jsonl": "1"},
		},
		{
			"kept",
			LinesConfig{Path: "a.jsonl", Exists: Append, Rotate: Rotate{Size: 10}, Keep: Keep{Size: 15}},
			"",
			[]step{{0, 1}, {0, 1}, {0, 1}, {tidyEvery, 0}},
			map[string]string{"a.jsonl": "2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.there != "" {
				if err := os.WriteFile(filepath.Join(dir, "a.jsonl"), []byte(tt.there), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			e := env(slog.New(slog.DiscardHandler))
			clock := &calendar{now: noon}
			e.Clock = clock
			tt.cfg.Path = Path(filepath.Join(dir, string(tt.cfg.Path)))
			l, err := OpenLines(tt.cfg, e)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, s := range tt.steps {
				clock.now = clock.now.Add(s.after)
				for range s.lines {
					l.Write(fmt.Appendf(nil, `{"n":"%d"}`, n))
					n++
				}
				l.flush()
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(numbers(t, dir), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// numbers returns the lines of the files in a folder.
func numbers(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(path)] = strings.NewReplacer(`{"n":"`, "", `"}`, "", "\n", "").Replace(string(content))
	}
	return got
}

// Lines go on where the next file cannot be begun.
func TestRotateThatFails(t *testing.T) {
	dir := t.TempDir()
	e := env(slog.New(slog.DiscardHandler))
	clock := &calendar{now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)}
	e.Clock = clock
	l, err := OpenLines(LinesConfig{
		Path: Path(filepath.Join(dir, "{{date}}", "a.jsonl")), Exists: Append, Rotate: Rotate{Every: config.Duration(day)},
	}, e)
	if err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(dir, "2026-03-05")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	line := func(text string) {
		l.Write([]byte(`{"n":"` + text + `"}`))
		l.flush()
	}
	line("0")
	clock.now = clock.now.Add(day)
	line("1")
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	line("2")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{"2026-03-04": "01", "2026-03-05": "2"} {
		if diff := cmp.Diff(numbers(t, filepath.Join(dir, folder)), map[string]string{"a.jsonl": want}); diff != "" {
			t.Errorf("%s: %s", folder, diff)
		}
	}
}

// synced is a disk that counts how often it is forced.
type synced struct {
	disk
	times int
}

func (s *synced) Sync() error { s.times++; return errors.New("out of order") }

func TestLinesAreForcedByTime(t *testing.T) {
	e := env(slog.New(slog.DiscardHandler))
	clock := &calendar{now: time.Now()}
	e.Clock = clock
	d := &synced{disk: disk{room: 1 << 20}}
	l := newLines(LinesConfig{Sync: config.Duration(5 * time.Second)}, output{WriteCloser: d}, e)
	var got []int
	for range 12 {
		clock.now = clock.now.Add(time.Second)
		l.Write([]byte("{}"))
		l.flush()
		got = append(got, d.times)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	got = append(got, d.times)
	if diff := cmp.Diff(got, []int{0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3}); diff != "" {
		t.Error(diff)
	}
}
