package session

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

func TestBudgetOverTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made", "p.main.sessions")
	clock := &pipetest.Clock{Time: time.Unix(100_000, 0)}
	cfg := config.Budget{Sessions: 2, Per: config.Duration(time.Hour), File: file}
	start := func() *budget { return newBudget(&cfg, clock, slog.New(slog.DiscardHandler)) }
	b := start()
	steps := []struct {
		name  string
		after time.Duration
		do    func()
		want  string
	}{
		{"the first", 0, nil, ""},
		{"one that came to nothing", time.Minute, nil, ""},
		{"is given back", time.Minute, func() { b.giveBack() }, ""},
		{"one too many", time.Minute, nil, "no more sessions may be made: budget: 2 in 1h0m0s are used up, the next is free in 57m0s"},
		{"in another run", time.Minute, func() { b = start() }, "no more sessions may be made: budget: 2 in 1h0m0s are used up, the next is free in 56m0s"},
		{"the clock is set back", -time.Hour, nil, "no more sessions may be made: budget: 2 in 1h0m0s are used up, the next is free in 1h56m0s"},
		{"the first no longer counts", 117 * time.Minute, nil, ""},
		{"a torn line", 0, func() {
			if err := appendTo(file, "+ 2026-01"); err != nil {
				t.Fatal(err)
			}
		}, "no more sessions may be made: budget: 2 in 1h0m0s are used up, the next is free in 1m0s"},
	}
	for _, s := range steps {
		clock.Add(s.after)
		if s.do != nil {
			s.do()
		}
		got := ""
		if err := b.take(); err != nil {
			got = err.Error()
			if !errors.Is(err, ErrBudget) {
				t.Errorf("%s: %v is not ErrBudget", s.name, err)
			}
		}
		if got != s.want {
			t.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
	}
}

// The file does not grow without end.
func TestBudgetIsShortened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions")
	now := time.Unix(1_000_000_000, 0)
	var old strings.Builder
	for old.Len() <= mostBudget {
		old.WriteString(line('+', now.Add(-24*time.Hour)))
	}
	old.WriteString(line('+', now.Add(-time.Minute)))
	if err := os.WriteFile(file, []byte(old.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBudget(&config.Budget{Sessions: 2, Per: config.Duration(time.Hour), File: file}, &pipetest.Clock{Time: now}, slog.New(slog.DiscardHandler))
	if err := b.take(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || len(parseBudget(text)) != 2 {
		t.Errorf("%v, left: %q", err, text)
	}
	if err := b.take(); !errors.Is(err, ErrBudget) {
		t.Errorf("got %v", err)
	}
}

// A file that cannot be written is said once; the budget holds for the run.
func TestBudgetWithoutAPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := newBudget(
		&config.Budget{Sessions: 2, Per: config.Duration(time.Hour), File: filepath.Join(file, "sessions")},
		&pipetest.Clock{Time: time.Unix(100_000, 0)}, slog.New(slog.NewTextHandler(&log, nil)),
	)
	for i, want := range []bool{true, true, false} {
		if err := b.take(); (err == nil) != want {
			t.Errorf("take %d: %v", i, err)
		}
	}
	if n := strings.Count(log.String(), "sessions are counted for this run only"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
}
