// Package crop is the stage that cuts a rectangle out of pictures. What of it
// lies outside of a picture is left away.
package crop

import (
	"context"
	"fmt"
	"image"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config of a crop stage.
type Config struct {
	// X is the left edge of the rectangle, in pixels.
	X int `yaml:"x"`
	// Y is the upper edge of the rectangle, in pixels.
	Y int `yaml:"y"`
	// Width of the rectangle, in pixels; 0 reaches to the right edge.
	Width int `yaml:"width"`
	// Height of the rectangle, in pixels; 0 reaches to the lower edge.
	Height int `yaml:"height"`
}

// Validate refuses rectangles that are outside of every picture.
func (c *Config) Validate() error {
	if c.X < 0 || c.Y < 0 {
		return fmt.Errorf("x, y: must not be negative, got %d, %d", c.X, c.Y)
	}
	if c.Width < 0 || c.Height < 0 {
		return fmt.Errorf("width, height: must be positive, or 0 to reach to the edge, got %dx%d", c.Width, c.Height)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "crop", New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Reshape},
		Stateless: true,
	})
}

// Crop cuts a rectangle out of pictures.
type Crop struct {
	cfg Config
}

var _ pipeline.Stage = (*Crop)(nil)

// New returns a crop stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) { return &Crop{cfg}, nil }

// Process replaces the picture by its part.
func (c *Crop) Process(_ context.Context, f *pipeline.Frame) error {
	m, err := mat.View(f)
	if err != nil {
		return err
	}
	all := image.Rect(0, 0, m.Cols(), m.Rows())
	r := c.rectangle(all)
	if r == all {
		return nil
	}
	if r.Empty() {
		return fmt.Errorf("the rectangle at %d,%d lies outside of the picture of %dx%d", c.cfg.X, c.cfg.Y, all.Dx(), all.Dy())
	}
	part := m.Region(r)
	defer part.Close()
	cropped, err := mat.From(&part)
	if err != nil {
		return err
	}
	f.Replace(cropped, pipeline.Translate(-float64(r.Min.X), -float64(r.Min.Y)))
	return nil
}

func (c *Crop) rectangle(all image.Rectangle) image.Rectangle {
	r := image.Rectangle{Min: image.Pt(c.cfg.X, c.cfg.Y), Max: all.Max}
	if c.cfg.Width > 0 {
		r.Max.X = r.Min.X + c.cfg.Width
	}
	if c.cfg.Height > 0 {
		r.Max.Y = r.Min.Y + c.cfg.Height
	}
	return r.Intersect(all)
}
