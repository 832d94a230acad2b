package sessiontest

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog brings what pion says to the server's logger, one level down: what
// pion calls an error, the server survives.
type pionLog struct{ log *slog.Logger }

// NewLogger makes the logger of one of pion's parts.
func (p pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.With("component", "webrtc", "scope", scope)}
}

func (p pionLog) write(level slog.Level, msg string) {
	p.log.Log(context.Background(), level, "webrtc", "text", msg)
}

func (p pionLog) format(level slog.Level, format string, args []any) {
	if p.log.Enabled(context.Background(), level) {
		p.write(level, fmt.Sprintf(format, args...))
	}
}

// Error logs a warning.
func (p pionLog) Error(msg string) { p.write(slog.LevelWarn, msg) }

// Errorf logs a warning.
func (p pionLog) Errorf(format string, args ...any) { p.format(slog.LevelWarn, format, args) }

// Warn logs for debugging.
func (p pionLog) Warn(msg string) { p.write(slog.LevelDebug, msg) }

// Warnf logs for debugging.
func (p pionLog) Warnf(format string, args ...any) { p.format(slog.LevelDebug, format, args) }

// Info is dropped.
func (p pionLog) Info(string) {}

// Infof is dropped.
func (p pionLog) Infof(string, ...any) {}

// Debug is dropped.
func (p pionLog) Debug(string) {}

// Debugf is dropped.
func (p pionLog) Debugf(string, ...any) {}

// Trace is dropped.
func (p pionLog) Trace(string) {}

// Tracef is dropped.
func (p pionLog) Tracef(string, ...any) {}
