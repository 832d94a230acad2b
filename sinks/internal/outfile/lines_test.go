package outfile

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func env(log *slog.Logger) pipeline.Env {
	return pipeline.Env{Name: "events", Log: log, Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}}
}

func TestLinesMendsWhatACrashLeft(t *testing.T) {
	tests := []struct {
		name, before, want, err string
	}{
		{"nothing there", "", "{\"new\":1}\n", ""},
		{"whole", "{\"a\":1}\n", "{\"a\":1}\n{\"new\":1}\n", ""},
		{"torn", "{\"a\":1}\n{\"b\":", "{\"a\":1}\n{\"new\":1}\n", ""},
		{"torn first line", "{\"b\":", "{\"new\":1}\n", ""},
		{"only the line's end is missing", "{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n{\"new\":1}\n", ""},
		{"something else", "#!/bin/sh", "#!/bin/sh", "is not a file of JSON lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "made", "events.jsonl")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(tt.before), 0o644); err != nil {
				t.Fatal(err)
			}
			l, err := OpenLines(LinesConfig{Path: Path(path), Exists: Append}, env(slog.New(slog.DiscardHandler)))
			if err == nil {
				l.Write([]byte(`{"new":1}`))
				err = l.Close()
			}
			if got := strings.TrimPrefix(message(err), path+": "); got != tt.err {
				t.Errorf("got error %q, want %q", got, tt.err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Two sinks may share a file, and a rotation may cut it short below them.
func TestLinesOfSeveralWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	open := func() *Lines {
		l, err := OpenLines(LinesConfig{Path: Path(path), Exists: Append}, env(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	content := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	a, b := open(), open()
	var want string
	for range 3 {
		a.Write([]byte(`{"a":1}`))
		a.flush()
		b.Write([]byte(`{"of another length":2}`))
		b.flush()
		want += "{\"a\":1}\n{\"of another length\":2}\n"
	}
	if got := content(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	a.Write([]byte(`{"a":2}`))
	a.flush()
	if got, want := content(), "{\"a\":2}\n"; got != want {
		t.Errorf("after it was cut short: got %q, want %q", got, want)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// disk is a file on a disk with little room.
type disk struct {
	mu      sync.Mutex // guards all below
	room    int
	content bytes.Buffer
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(d.room, len(p))
	d.room -= n
	d.content.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (d *disk) Close() error { return nil }

func (d *disk) set(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.content.String()
}

func TestLinesFlushesByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 20}
		l := newLines(LinesConfig{}, output{WriteCloser: d}, env(slog.New(slog.DiscardHandler)))
		l.Write([]byte(`{"a":1}`))
		if got := d.String(); got != "" {
			t.Errorf("at once: got %q", got)
		}
		<-time.After(flushEvery)
		synctest.Wait()
		if got, want := d.String(), "{\"a\":1}\n"; got != want {
			t.Errorf("after %s: got %q, want %q", flushEvery, got, want)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
}

func TestLinesOutlivesAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		d := &disk{room: 10}
		l := newLines(LinesConfig{}, output{WriteCloser: d}, env(slog.New(slog.NewTextHandler(&logged, nil))))
		for range 3 {
			l.Write([]byte(`{"a":1}`))
			<-time.After(2 * flushEvery)
		}
		d.set(1 << 20)
		<-time.After(2 * flushEvery)
		l.Write([]byte(`{"b":2}`))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got, want := d.String(), strings.Repeat("{\"a\":1}\n", 3)+"{\"b\":2}\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for message, want := range map[string]int{"cannot write": 1, "writing again": 1} {
			if got := strings.Count(logged.String(), message); got != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", message, got, want, &logged)
			}
		}
	})
}

func TestLinesBoundsWhatItKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := 0.0
		e := env(slog.New(slog.DiscardHandler))
		e.Metrics = counting{&lost}
		l := newLines(LinesConfig{}, output{WriteCloser: &disk{}}, e)
		line := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		for range 6 {
			l.Write(line)
		}
		if lost != 3 {
			t.Errorf("%g lines lost, want 3", lost)
		}
		if got, want := message(l.Close()), "3 lines could not be written"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

type counting struct{ total *float64 }

func (c counting) Counter(string, string) func(float64) {
	return func(delta float64) { *c.total += delta }
}
func (c counting) Gauge(string, string) func(float64) { return func(float64) {} }
