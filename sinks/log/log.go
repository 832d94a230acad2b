// Package log is the sink that writes a line into the program's log for each
// frame that it is given.
package log

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Config says what the line is.
type Config struct {
	// Message of the line, computed from the frame; "frame" or "message" where
	// nothing is said. A frame for which it is absent has no line.
	Message expr.Template `yaml:"message" live:"true"`
	// Level of the line.
	Level string `yaml:"level" oneof:"debug,info,warn,error" live:"true"`
	// Limit is how many lines there are at most; those that were left out are
	// counted on the next one.
	Limit config.Rate `yaml:"limit" live:"true"`
}

// Default is ten lines a second.
func Default() Config { return Config{Level: "info", Limit: 10} }

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if _, err := level(c.Level); err != nil {
		return fmt.Errorf("level: %w", err)
	}
	if c.Limit <= 0 {
		return fmt.Errorf("limit: must be positive, got %g", float64(c.Limit))
	}
	return nil
}

func level(name string) (slog.Level, error) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if name == strings.ToLower(l.String()) {
			return l, nil
		}
	}
	return 0, fmt.Errorf("must be debug, info, warn or error, got %q", name)
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{Name: "log", Default: Default, New: New})
}

// Sink logs frames.
type Sink struct {
	message expr.Template
	level   slog.Level
	period  time.Duration
	env     pipeline.Env

	free    time.Time // when the next line may be written
	skipped int
}

var (
	_ pipeline.Sink                 = (*Sink)(nil)
	_ pipeline.Reconfigurer[Config] = (*Sink)(nil)
)

// New returns a sink.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	s := &Sink{env: env}
	err := s.Reconfigure(cfg)
	return s, err
}

// Reconfigure writes other lines from here on.
func (s *Sink) Reconfigure(cfg Config) error {
	l, err := level(cfg.Level)
	if err != nil {
		return fmt.Errorf("level: %w", err)
	}
	s.message, s.level = cfg.Message, l
	s.period = time.Duration(float64(time.Second) / float64(cfg.Limit))
	return nil
}

// Write logs f unless there were too many lines lately.
func (s *Sink) Write(ctx context.Context, f *pipeline.Frame) error {
	if !s.env.Log.Enabled(ctx, s.level) {
		return nil
	}
	now := s.env.Clock.Now()
	text, ok, err := s.text(f, now)
	if err != nil || !ok {
		return err
	}
	if now.Before(s.free) {
		s.skipped++
		return nil
	}
	s.free = now.Add(s.period)
	s.env.Log.LogAttrs(ctx, s.level, text, s.attributes(f)...)
	s.skipped = 0
	return nil
}

func (s *Sink) text(f *pipeline.Frame, now time.Time) (text string, ok bool, err error) {
	switch {
	case s.message.String() != "":
		return s.message.Text(expr.Input{Frame: f, LastMessage: s.env.LastMessage, Now: now})
	case f.Message != nil:
		return "message", true, nil
	}
	return "frame", true, nil
}

func (s *Sink) attributes(f *pipeline.Frame) []slog.Attr {
	attrs := []slog.Attr{slog.String("stream", f.Stream), slog.Uint64("seq", f.Seq), slog.Duration("pts", f.PTS)}
	if f.Message != nil {
		attrs = append(attrs, slog.String("type", f.Message.Type), slog.Any("data", f.Message.Data))
	}
	if s.skipped > 0 {
		attrs = append(attrs, slog.Int("skipped", s.skipped))
	}
	return attrs
}

// Close does nothing.
func (s *Sink) Close() error { return nil }
