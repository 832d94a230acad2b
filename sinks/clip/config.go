// Package clip is the sink that writes what happened around an event into a
// video file: from before it to after it, as it came, without encoding it anew.
// `when` and `edge` say what an event is, and `audio` whose sound goes with it.
package clip

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// Config says what a clip holds and where it goes.
type Config struct {
	// Path of the files, relative to the working directory. Its extension
	// chooses the container: .mkv takes VP8, VP9 and H.264, .mp4 VP9 and H.264.
	// Missing folders are made; {{date}} and {{time}} stand for the time at
	// which the event was seen.
	Path outfile.Path `yaml:"path"`
	// Exists says what becomes of a file that is there already: rename (the new
	// one gets a number), overwrite it, or fail (there is no clip of this
	// event).
	Exists outfile.Exists `yaml:"exists" oneof:"rename,overwrite,fail"`
	// Before is how much of a clip lies before its event. It begins at the
	// keyframe before that. Where keyframes are rarer, the sender is asked for
	// one this often.
	Before config.Duration `yaml:"before"`
	// After is how much lies after it. An event meanwhile makes the clip
	// longer.
	After config.Duration `yaml:"after"`
	// Memory that what may become part of a clip takes at most.
	Memory config.Size `yaml:"memory"`
	// Keep removes files, the oldest first: those older than age, those beyond
	// the size of all together, and as many as leave the disk that free. It is
	// only ever files that this sink has written, in this run or an earlier
	// one: a hidden list beside them says which.
	Keep outfile.Keep `yaml:"keep"`
}

// Default is five seconds on both sides.
func Default() Config {
	return Config{
		Exists: outfile.Rename, Before: config.Duration(5 * time.Second), After: config.Duration(5 * time.Second),
		Memory: 64 << 20,
	}
}

// leastMemory is what a few pictures take.
const leastMemory = 1 << 20

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if err := c.Path.Validate(); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if ext := strings.ToLower(filepath.Ext(string(c.Path))); ext != ".mp4" && ext != ".mkv" {
		return fmt.Errorf("path: must end in .mp4 or .mkv, got %q", string(c.Path))
	}
	if err := c.Exists.Validate(outfile.Rename, outfile.Overwrite, outfile.Fail); err != nil {
		return fmt.Errorf("exists: %w", err)
	}
	if c.Before <= 0 {
		return fmt.Errorf("before: must be positive, got %s", c.Before)
	}
	if c.Memory < leastMemory {
		return fmt.Errorf("memory: must be 1MiB at least, got %s", c.Memory)
	}
	return nil
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "clip", Default: Default, New: New, Encoded: true, Audio: true, Edge: pipeline.Rise,
		Queue: pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest},
	})
}
