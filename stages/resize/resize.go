// Package resize is the stage that gives pictures another size.
package resize

import (
	"context"
	"fmt"
	"math"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config of a resize stage.
type Config struct {
	// Width of the new picture, in pixels; 0 keeps the proportions.
	Width int `yaml:"width"`
	// Height of the new picture, in pixels; 0 keeps the proportions.
	Height int `yaml:"height"`
}

// Validate refuses sizes that no picture has.
func (c *Config) Validate() error {
	if c.Width < 0 || c.Height < 0 || c.Width == 0 && c.Height == 0 {
		return fmt.Errorf("width, height: one must be positive, the other may be 0 to keep the proportions, got %dx%d", c.Width, c.Height)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "resize", New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.Native, Write: pipeline.Reshape},
		Stateless: true,
	})
}

// Resize gives pictures another size.
type Resize struct {
	cfg Config
}

var _ pipeline.Stage = (*Resize)(nil)

// New returns a resize stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) { return &Resize{cfg}, nil }

// Process replaces the picture by one of the new size.
func (r *Resize) Process(_ context.Context, f *pipeline.Frame) error {
	img := f.Image()
	if img == nil {
		return pipeline.ErrNoPixels
	}
	old := img.Format()
	width, height := r.size(old)
	if width == old.Width && height == old.Height {
		return nil
	}
	resized, err := mat.NewScaled(f, width, height)
	if err != nil {
		return err
	}
	f.Replace(resized, pipeline.Scale(float64(width)/float64(old.Width), float64(height)/float64(old.Height)))
	return nil
}

// size returns the new size of a picture.
func (r *Resize) size(old pipeline.Format) (width, height int) {
	width, height = r.cfg.Width, r.cfg.Height
	if width == 0 {
		width = inProportion(height, old.Width, old.Height)
	}
	if height == 0 {
		height = inProportion(width, old.Height, old.Width)
	}
	return width, height
}

// inProportion is an even number where it can be: encoders halve the colour.
func inProportion(side, of, to int) int {
	return max(1, int(math.Round(float64(side)*float64(of)/float64(to)/2))*2)
}
