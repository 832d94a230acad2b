package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// console writes log lines for people at a terminal: the time of day, the level
// where it is not Info, the message, then keys and values.
type console struct {
	screen *screen
	attrs  slog.Handler // writes to screen.line
}

// screen is what all loggers of one console share.
type screen struct {
	w io.Writer

	mu   sync.Mutex // guards line
	line bytes.Buffer
}

var _ slog.Handler = console{}

func newConsole(w io.Writer, level slog.Level) console {
	s := &screen{w: w}
	return console{s, slog.NewTextHandler(&s.line, &slog.HandlerOptions{Level: level, ReplaceAttr: attrsOnly})}
}

// attrsOnly leaves out what Handle writes itself.
func attrsOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return plain(groups, a)
}

// messageWidth lines up the attributes behind most messages.
const messageWidth = 18

// Handle writes one line.
func (c console) Handle(ctx context.Context, r slog.Record) error {
	c.screen.mu.Lock()
	defer c.screen.mu.Unlock()
	line := &c.screen.line
	line.Reset()
	line.WriteString(r.Time.Format("15:04:05.000 "))
	if r.Level != slog.LevelInfo {
		fmt.Fprintf(line, "%s ", r.Level)
	}
	fmt.Fprintf(line, "%-*s ", messageWidth, r.Message)
	if err := c.attrs.Handle(ctx, r); err != nil {
		return err
	}
	_, err := c.screen.w.Write(append(bytes.TrimRight(line.Bytes(), " \n"), '\n'))
	return err
}

// Enabled, WithAttrs and WithGroup are those of the handler that writes the
// attributes.
func (c console) Enabled(ctx context.Context, level slog.Level) bool {
	return c.attrs.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (c console) WithAttrs(attrs []slog.Attr) slog.Handler {
	return console{c.screen, c.attrs.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (c console) WithGroup(name string) slog.Handler {
	return console{c.screen, c.attrs.WithGroup(name)}
}
