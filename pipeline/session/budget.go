package session

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// ErrBudget is wrapped where another session would be more than the file allows.
var ErrBudget = errors.New("no more sessions may be made")

// budget bounds how many sessions are made in a span of time, over restarts of
// the program where it has a file: a program that fails as it starts, and is
// started again and again, makes no more than one that goes on.
//
// The file has a line for each session, "+" and the time, and another, "-" and
// the same time, where none came of it. Lines are only added, so that two
// programs may share a file.
type budget struct {
	cfg   config.Budget
	clock pipeline.Clock
	log   *slog.Logger

	mu     sync.Mutex  // guards what follows
	made   []time.Time // by this program; all there are where there is no file
	warned bool        // that the file cannot be used
}

func newBudget(cfg *config.Budget, clock pipeline.Clock, log *slog.Logger) *budget {
	if cfg == nil {
		return nil
	}
	return &budget{cfg: *cfg, clock: clock, log: log}
}

// take asks for one more session; the error wraps ErrBudget. It counts before the
// server is asked: who dies in between has spent it.
func (b *budget) take() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	counted := b.recent(now, b.read())
	if len(counted) < b.cfg.Sessions {
		b.made = append(b.recent(now, b.made), now)
		b.write('+', now)
		return nil
	}
	oldest := counted[len(counted)-b.cfg.Sessions]
	wait := b.cfg.Per.Std() - now.Sub(oldest)
	return fmt.Errorf("%w: budget: %d in %s are used up, the next is free in %s", ErrBudget, b.cfg.Sessions, b.cfg.Per, max(wait, time.Second).Round(time.Second))
}

// giveBack says that the server made none after the last take.
func (b *budget) giveBack() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.made) == 0 {
		return
	}
	last := b.made[len(b.made)-1]
	b.made = b.made[:len(b.made)-1]
	b.write('-', last)
}

// recent returns those times that still count, in order. A clock that was set
// back leaves times in the future: they count, too.
func (b *budget) recent(now time.Time, times []time.Time) []time.Time {
	times = slices.DeleteFunc(slices.Clone(times), func(t time.Time) bool { return now.Sub(t) >= b.cfg.Per.Std() })
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// mostBudget is the size of the file from which on what no longer counts is taken
// out, in bytes.
const mostBudget = 64 << 10

// read returns when sessions were made, by whom soever.
func (b *budget) read() []time.Time {
	if b.cfg.File == "" {
		return b.made
	}
	text, err := os.ReadFile(b.cfg.File)
	if errors.Is(err, os.ErrNotExist) {
		return b.made
	}
	if err != nil {
		b.warn(err)
		return b.made
	}
	times := parseBudget(text)
	if len(text) > mostBudget {
		b.shorten(times)
	}
	if b.warned { // ours are not among them
		times = append(times, b.made...)
	}
	return times
}

// parseBudget reads the lines of a file. One that is torn says nothing.
func parseBudget(text []byte) []time.Time {
	var times []time.Time
	for line := range bytes.Lines(text) {
		mark, at, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		t, err := time.Parse(time.RFC3339Nano, at)
		switch {
		case !ok || err != nil:
		case mark == "+":
			times = append(times, t)
		case mark == "-":
			if i := slices.IndexFunc(times, t.Equal); i >= 0 {
				times = slices.Delete(times, i, i+1)
			}
		}
	}
	return times
}

func line(mark byte, t time.Time) string {
	return fmt.Sprintf("%c %s\n", mark, t.UTC().Format(time.RFC3339Nano))
}

func (b *budget) write(mark byte, t time.Time) {
	if b.cfg.File == "" {
		return
	}
	err := os.MkdirAll(filepath.Dir(b.cfg.File), 0o755)
	if err == nil {
		err = appendTo(b.cfg.File, line(mark, t))
	}
	b.warn(err)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // nothing secret in it
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// shorten takes out of the file what no longer counts.
func (b *budget) shorten(times []time.Time) {
	var text strings.Builder
	for _, t := range b.recent(b.clock.Now(), times) {
		text.WriteString(line('+', t))
	}
	whole := b.cfg.File + ".new"
	if err := os.WriteFile(whole, []byte(text.String()), 0o644); err != nil { //nolint:gosec // nothing secret in it
		b.warn(err)
		return
	}
	b.warn(os.Rename(whole, b.cfg.File))
}

// warn says once that the budget holds for this run only.
func (b *budget) warn(err error) {
	if err == nil || b.warned {
		return
	}
	b.warned = true
	b.log.Warn("sessions are counted for this run only", "file", b.cfg.File, "err", err)
}
