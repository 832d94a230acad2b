package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// The formats of the log.
const (
	formatText = "text"
	formatJSON = "json"
)

// logFlags are the flags of what logs.
type logFlags struct {
	format string
	level  string
}

func (f *logFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "log-format", formatText, "write the log in `FORMAT`: text or json")
	c.Flags().StringVar(&f.level, "log-level", "info", "log from `LEVEL` on: debug, info, warn or error")
}

// logger returns the logger and the terminal that it shares with the progress
// line.
func (p *program) logger(f logFlags) (*slog.Logger, *terminal, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(f.level))); err != nil {
		return nil, nil, &usageError{fmt.Errorf("--log-level: must be debug, info, warn or error, got %q", f.level)}
	}
	t := newTerminal(p.err)
	var h slog.Handler
	switch {
	case f.format == formatJSON:
		h = slog.NewJSONHandler(t, &slog.HandlerOptions{Level: level})
	case f.format != formatText:
		return nil, nil, &usageError{fmt.Errorf("--log-format: must be text or json, got %q", f.format)}
	case t.live():
		h = newConsole(t, level)
	default:
		h = slog.NewTextHandler(t, &slog.HandlerOptions{Level: level, ReplaceAttr: plain})
	}
	return slog.New(h), t, nil
}

// localSession is the id that a local runtime gives its only session.
const localSession = "00000000-0000-0000-0000-000000000000"

// plain prints times to the millisecond in UTC, and leaves out what says
// nothing.
func plain(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) == 0 && a.Key == slog.TimeKey:
		return slog.String(a.Key, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case a.Key == "session_id" && a.Value.String() == localSession:
		return slog.Attr{}
	}
	return a
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

// oneLine returns the text of an error, or of several, on one line; "" of none.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
