// Package jsonl is the sink that writes frames, without their pixels, as lines
// of JSON into a file.
package jsonl

import (
	"context"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// Config says where the lines go.
type Config struct {
	// Path of the file, relative to the working directory. Missing folders are
	// made; {{date}} and {{time}} stand for the start.
	Path outfile.Path `yaml:"path"`
	// Exists says what becomes of a file that is there already: append to it,
	// rename (the new one gets a number), overwrite it, or fail.
	Exists outfile.Exists `yaml:"exists" oneof:"append,rename,overwrite,fail"`
	// Rotate says when a file ends and the next one begins. Where the path's
	// {{date}} and {{time}} give the next one the same name, the file that ends
	// gets a number instead: the newest is always at the path itself.
	Rotate outfile.Rotate `yaml:"rotate"`
	// Keep removes files, the oldest first: those older than age, those beyond
	// the size of all together, and as many as leave the disk that free. It is
	// only ever files that this sink has written, in this run or an earlier
	// one: a hidden list beside them says which.
	Keep outfile.Keep `yaml:"keep"`
	// Sync is how often lines are forced onto the disk, and so the most that a
	// power cut costs beyond the second that a crash does; 0s leaves it to the
	// system.
	Sync config.Duration `yaml:"sync"`
}

// Default appends.
func Default() Config {
	return Config{Exists: outfile.Append, Sync: config.Duration(5 * time.Second)}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if err := c.Path.Validate(); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if err := c.Exists.Validate(outfile.Append, outfile.Rename, outfile.Overwrite, outfile.Fail); err != nil {
		return fmt.Errorf("exists: %w", err)
	}
	if err := c.Rotate.Validate(); err != nil {
		return fmt.Errorf("rotate.%w", err)
	}
	return nil
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "jsonl", Default: Default, New: New,
		Queue: pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest},
	})
}

// Sink writes frames as lines.
type Sink struct {
	clock pipeline.Clock
	lines *outfile.Lines
}

var _ pipeline.Sink = (*Sink)(nil)

// New opens the file, so that a folder that cannot be written is found before
// frames flow, and starts a goroutine that flushes it every second, which Close
// ends.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	lines, err := outfile.OpenLines(outfile.LinesConfig{
		Path: cfg.Path, Exists: cfg.Exists, Rotate: cfg.Rotate, Keep: cfg.Keep, Sync: cfg.Sync,
	}, env)
	if err != nil {
		return nil, fatal.Error(fmt.Errorf("path: %w", err))
	}
	return &Sink{clock: env.Clock, lines: lines}, nil
}

// Write adds a line for f, in the one JSON form.
func (s *Sink) Write(_ context.Context, f *pipeline.Frame) error {
	line, err := f.JSON(s.clock.Now())
	if err != nil {
		return err
	}
	s.lines.Write(line)
	return nil
}

// Close writes what is left.
func (s *Sink) Close() error { return s.lines.Close() }
