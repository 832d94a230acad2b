// Package blur is the stage that blurs pictures.
package blur

import (
	"context"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// maxRadius keeps a slip of the finger from taking seconds a frame.
const maxRadius = 255

// Config of a blur stage.
type Config struct {
	// Radius is the side of the square around a pixel that it is mixed from, in
	// pixels; odd, at most 255.
	Radius int `yaml:"radius" live:"true"`
}

// Default returns a blur that hides noise and leaves faces.
func Default() Config { return Config{Radius: 5} }

// Validate refuses squares without a middle.
func (c *Config) Validate() error {
	if c.Radius <= 0 || c.Radius%2 == 0 {
		return fmt.Errorf("radius: must be odd and positive, got %d", c.Radius)
	}
	if c.Radius > maxRadius {
		return fmt.Errorf("radius: must be at most %d, got %d", maxRadius, c.Radius)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "blur", Default: Default, New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit},
		Stateless: true,
	})
}

// Blur blurs pictures, by a Gaussian kernel.
type Blur struct {
	kernel image.Point
}

var (
	_ pipeline.Stage                = (*Blur)(nil)
	_ pipeline.Reconfigurer[Config] = (*Blur)(nil)
)

// New returns a blur stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) {
	b := new(Blur)
	err := b.Reconfigure(cfg)
	return b, err
}

// Reconfigure blurs more or less from here on.
func (b *Blur) Reconfigure(cfg Config) error {
	b.kernel = image.Pt(cfg.Radius, cfg.Radius)
	return nil
}

// Process blurs the picture in place.
func (b *Blur) Process(_ context.Context, f *pipeline.Frame) error {
	m, err := mat.Edit(f)
	if err != nil {
		return err
	}
	return gocv.GaussianBlur(*m, m, b.kernel, 0, 0, gocv.BorderDefault)
}
