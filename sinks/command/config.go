// Package command is the sink that turns what the stages saw, and what the
// model said, into commands for the model. Each frame that reaches it is a
// decision: `when`, `edge`, `hold` and `cooldown` choose them.
package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Config says what is sent.
type Config struct {
	// Command of the model.
	Command string `yaml:"command"`
	// Data are the command's arguments. {{ expr }} computes; a decision for
	// which something in it is absent is not sent. {file: ref.png} and {frame:
	// "crop(people.detections[0])"} are uploaded.
	Data expr.Value `yaml:"data"`
	// Dedupe leaves out a command that says what the last one said.
	Dedupe bool `yaml:"dedupe"`
	// DryRun decides and records, but sends nothing.
	DryRun bool `yaml:"dry_run"`
	// TTL is how old a decision may become while it waits for the session, or
	// for the reply to the one before.
	TTL config.Duration `yaml:"ttl"`
	// Timeout is how long a reply is waited for.
	Timeout config.Duration `yaml:"timeout"`
}

// Default waits ten seconds.
func Default() Config {
	return Config{TTL: config.Duration(10 * time.Second), Timeout: config.Duration(10 * time.Second)}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if c.Command == "" {
		return errors.New("command: is required")
	}
	if _, err := arguments(c.Data.Consts()); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if c.TTL <= 0 {
		return fmt.Errorf("ttl: must be positive, got %s", c.TTL)
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("timeout: must be positive, got %s", c.Timeout)
	}
	return nil
}

// arguments returns data as what a command takes.
func arguments(data any) (map[string]any, error) {
	switch data := data.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return data, nil
	default:
		return nil, errors.New("must be names with values, as in {prompt: rain}")
	}
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "command", Default: Default, New: New, Session: true,
		Queue: queue(),
		Edge:  pipeline.Rise,
	})
}

// Pixels says that pictures of frames are made.
func (c *Config) Pixels() pipeline.Pixels {
	if c.Data.Stills() {
		return pipeline.Pixels{Read: pipeline.BGR}
	}
	return pipeline.Pixels{}
}

// queue is what waits in front of the sink: decisions without pixels are small.
func queue() pipeline.Queue { return pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest} }

// Queue is shorter where frames wait with their pixels.
func (c *Config) Queue() pipeline.Queue {
	if c.Data.Stills() {
		return pipeline.Queue{Depth: 8, OnFull: pipeline.DropOldest}
	}
	return queue()
}

// SessionUse says which command is sent.
func (c *Config) SessionUse() pipeline.Use { return pipeline.Use{Commands: []string{c.Command}} }
