package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// terminal is where log lines and the progress line go. On a real terminal the
// progress line stays last and is rewritten in place.
type terminal struct {
	w    io.Writer
	live bool

	mu   sync.Mutex // guards what is on the screen
	line string
}

func newTerminal(w io.Writer) *terminal {
	f, ok := w.(*os.File)
	return &terminal{w: w, live: ok && term.IsTerminal(int(f.Fd()))}
}

// clearLine is ANSI for "to the first column, erase to the end of the line".
const clearLine = "\r\x1b[K"

// Write prints whole log lines above the progress line.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" {
		return t.w.Write(p)
	}
	if _, err := fmt.Fprintf(t.w, "%s%s%s", clearLine, p, t.line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// progress shows line in place of the last one; "" removes it.
func (t *terminal) progress(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width > 0 && len(line) >= width {
		line = line[:width-1]
	}
	if t.line == "" && line == "" {
		return
	}
	t.line = line
	fmt.Fprint(t.w, clearLine, line) //nolint:errcheck // a terminal that is gone takes nothing
}

// newLogger returns a logger onto t. format is "text" or "json".
func newLogger(t *terminal, format string, level slog.Level) (*slog.Logger, error) {
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(t, &slog.HandlerOptions{Level: level})), nil
	case "text":
		return slog.New(slog.NewTextHandler(t, &slog.HandlerOptions{Level: level, ReplaceAttr: shortTime})), nil
	}
	return nil, &usageError{fmt.Errorf("--log-format: must be text or json, got %q", format)}
}

// shortTime prints times to the millisecond, in UTC.
func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.String(a.Key, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return a
}

func parseLevel(name string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(name))); err != nil {
		return 0, &usageError{fmt.Errorf("--log-level: must be debug, info, warn or error, got %q", name)}
	}
	return level, nil
}

// round drops digits that nobody reads.
func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(time.Second)
	case d > 100*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

// troubleOnly returns log without what is below a warning.
func troubleOnly(log *slog.Logger) *slog.Logger { return slog.New(trouble{log.Handler()}) }

type trouble struct{ slog.Handler }

func (t trouble) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && t.Handler.Enabled(ctx, level)
}

func (t trouble) WithAttrs(attrs []slog.Attr) slog.Handler {
	return trouble{t.Handler.WithAttrs(attrs)}
}

func (t trouble) WithGroup(name string) slog.Handler { return trouble{t.Handler.WithGroup(name)} }
