// Package snapshot is the sink that writes each picture that it is given into a
// file of its own. `when`, `edge`, `cooldown` and `rate` choose them.
package snapshot

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// Config says how the files are called and what becomes of them.
type Config struct {
	// Path of the files, relative to the working directory. Its extension
	// chooses between JPEG (.jpg) and PNG (.png). Missing folders are made;
	// {{date}} and {{time}} stand for the time of writing, {{seq}} for the
	// frame's number in its source. A file appears as a whole.
	Path outfile.Path `yaml:"path"`
	// Exists says what becomes of a file that is there already: rename (the new
	// one gets a number), overwrite it, or fail (this picture is an error).
	Exists outfile.Exists `yaml:"exists" oneof:"rename,overwrite,fail"`
	// Quality of a JPEG, 1 to 100.
	Quality int `yaml:"quality" range:"1..100"`
	// Keep removes files, the oldest first: those older than age, those beyond
	// the size of all together, and as many as leave the disk that free. It is
	// only ever files that this sink has written, in this run or an earlier
	// one: a hidden list beside them says which.
	Keep outfile.Keep `yaml:"keep"`
}

// Default is a good quality.
func Default() Config { return Config{Exists: outfile.Rename, Quality: 90} }

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if err := c.Path.ValidateOfFrame(); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if !c.jpeg() && c.extension() != ".png" {
		return fmt.Errorf("path: must end in .jpg or .png, got %q", string(c.Path))
	}
	if err := c.Exists.Validate(outfile.Rename, outfile.Overwrite, outfile.Fail); err != nil {
		return fmt.Errorf("exists: %w", err)
	}
	return nil
}

func (c *Config) extension() string { return strings.ToLower(filepath.Ext(string(c.Path))) }

func (c *Config) jpeg() bool { return c.extension() == ".jpg" || c.extension() == ".jpeg" }

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "snapshot", Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.BGR},
		Queue:  pipeline.Queue{Depth: 8, OnFull: pipeline.DropOldest},
	})
}

// Sink writes pictures. While nothing can be written it leaves them out.
type Sink struct {
	cfg  Config
	env  pipeline.Env
	kept *outfile.Kept
	lost func(float64)

	missed int // pictures since the last that was written
}

var _ pipeline.Sink = (*Sink)(nil)

// New looks whether files can be written where they are to be.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	if err := cfg.Path.Check(); err != nil {
		return nil, fatal.Error(fmt.Errorf("path: %w", err))
	}
	return &Sink{
		cfg: cfg, env: env, kept: outfile.NewKept(cfg.Path, cfg.Keep, env),
		lost: env.Metrics.Counter("frames_lost_total", "Pictures not written because nothing could be."),
	}, nil
}

// Write writes f's picture. That nothing can be written, because the disk is
// full for instance, is an error once; the pictures that are lost meanwhile are
// counted.
func (s *Sink) Write(_ context.Context, f *pipeline.Frame) error {
	if f.Image() == nil {
		return pipeline.ErrNoPixels
	}
	s.kept.Tidy()
	file, err := s.encode(f)
	if err != nil {
		return err
	}
	path, err := outfile.Put(s.cfg.Path.OfFrame(s.env.Clock.Now(), f.Seq), file, s.cfg.Exists)
	if err != nil {
		return s.miss(err)
	}
	s.kept.Begin(path)
	s.kept.End()
	if s.missed > 0 {
		s.env.Log.Info("writing again", "path", path, "frames_lost", s.missed)
		s.missed = 0
	}
	return nil
}

// miss notes that a picture was not written, and returns why if that is news.
func (s *Sink) miss(err error) error {
	s.missed++
	s.lost(1)
	if s.missed > 1 {
		return nil
	}
	return err
}

func (s *Sink) encode(f *pipeline.Frame) ([]byte, error) {
	if s.cfg.jpeg() {
		return mat.JPEG(f, s.cfg.Quality)
	}
	m, err := mat.View(f)
	if err != nil {
		return nil, err
	}
	return mat.EncodePNG(m)
}

// Close does nothing: what was written is whole.
func (s *Sink) Close() error { return nil }
