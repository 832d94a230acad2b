// Package color is the stage that changes the colours of pictures: brightness,
// contrast, saturation and tint.
package color

import (
	"context"
	"fmt"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/stages/internal/rgb"
)

// Config of a color stage.
type Config struct {
	// Brightness is added to every pixel: -1 makes all black, 1 all white.
	Brightness float64 `yaml:"brightness" range:"-1..1" live:"true"`
	// Contrast multiplies the distance from medium gray, 0 to 10.
	Contrast float64 `yaml:"contrast" range:"0..10" live:"true"`
	// Saturation multiplies the distance from gray, 0 to 10; 0 makes the picture
	// gray.
	Saturation float64 `yaml:"saturation" range:"0..10" live:"true"`
	// Tint is the colour of a filter in front of the lens, such as "#ffcc88";
	// white changes nothing.
	Tint rgb.Color `yaml:"tint" live:"true"`
}

// Default returns the configuration that changes nothing.
func Default() Config {
	return Config{Contrast: 1, Saturation: 1, Tint: rgb.Color{R: 255, G: 255, B: 255}}
}

// Validate refuses what is off the scale.
func (c *Config) Validate() error {
	if !(c.Brightness >= -1 && c.Brightness <= 1) {
		return fmt.Errorf("brightness: must be from -1 to 1, got %g", c.Brightness)
	}
	if !(c.Contrast >= 0 && c.Contrast <= 10) {
		return fmt.Errorf("contrast: must be from 0 to 10, got %g", c.Contrast)
	}
	if !(c.Saturation >= 0 && c.Saturation <= 10) {
		return fmt.Errorf("saturation: must be from 0 to 10, got %g", c.Saturation)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "color", Default: Default, New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit},
		Stateless: true,
	})
}

// Color changes the colours of pictures.
type Color struct {
	matrix gocv.Mat
}

var (
	_ pipeline.Stage                = (*Color)(nil)
	_ pipeline.Reconfigurer[Config] = (*Color)(nil)
)

// New returns a color stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) {
	c := &Color{gocv.NewMatWithSize(3, 4, gocv.MatTypeCV64F)}
	err := c.Reconfigure(cfg)
	return c, err
}

// Reconfigure changes colours otherwise from here on.
func (c *Color) Reconfigure(cfg Config) error {
	for row, values := range cfg.matrix() {
		for col, v := range values {
			c.matrix.SetDoubleAt(row, col, v)
		}
	}
	return nil
}

// Process changes the picture in place.
func (c *Color) Process(_ context.Context, f *pipeline.Frame) error {
	m, err := mat.Edit(f)
	if err != nil {
		return err
	}
	return gocv.Transform(*m, m, c.matrix)
}

// Close frees the matrix.
func (c *Color) Close() error { return c.matrix.Close() }
