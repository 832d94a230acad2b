// Package brightest is a stage of our own: it finds the brightest spot of each
// picture.
package brightest

import (
	"context"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config is what stands under `config:` in a pipeline's file.
type Config struct {
	// Size of the spot, in pixels; odd.
	Size int `yaml:"size"`
	// MinBrightness is how bright the spot has to be to count, 0 to 255.
	MinBrightness float64 `yaml:"min_brightness"`
}

// Default returns what a file need not say.
func Default() Config { return Config{Size: 31, MinBrightness: 200} }

// Validate refuses what makes no sense. The message begins with the field.
func (c *Config) Validate() error {
	if c.Size <= 0 || c.Size%2 == 0 {
		return fmt.Errorf("size: must be odd and positive, got %d", c.Size)
	}
	if !(c.MinBrightness >= 0 && c.MinBrightness <= 255) {
		return fmt.Errorf("min_brightness: must be from 0 to 255, got %g", c.MinBrightness)
	}
	return nil
}

// Register adds the kind to r: its name, what it does with pixels, and what it
// sets, so that expressions over it can be checked before a frame flows.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "brightest", Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.Gray},
		Sets:   []pipeline.AnyKind{pipeline.Detections},
	})
}

// Brightest sets a detection labelled "brightest", or an empty list where
// nothing is bright enough.
type Brightest struct {
	cfg    Config
	smooth gocv.Mat // of the stage's own, used again for each picture
}

var _ pipeline.Stage = (*Brightest)(nil)

// New returns a brightest stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) {
	return &Brightest{cfg: cfg, smooth: gocv.NewMat()}, nil
}

// Process looks at one picture. f is lent for the call, and so is what View,
// Gray and Edit return: nothing of it is ours to close.
func (b *Brightest) Process(_ context.Context, f *pipeline.Frame) error {
	gray, err := mat.Gray(f)
	if err != nil {
		return err
	}
	if err := gocv.Blur(*gray, &b.smooth, image.Pt(b.cfg.Size, b.cfg.Size)); err != nil {
		return err
	}
	_, brightness, _, at := gocv.MinMaxLoc(b.smooth)
	found := []pipeline.Detection{}
	if float64(brightness) >= b.cfg.MinBrightness {
		found = append(found, pipeline.Detection{
			Label: "brightest", Score: float64(brightness) / 255, Box: around(at, b.cfg.Size),
		})
	}
	pipeline.Set(f, pipeline.Detections, found)
	return nil
}

// Close frees what the stage opened itself. It is optional, as Configure and
// Reset are.
func (b *Brightest) Close() error { return b.smooth.Close() }

func around(p image.Point, size int) pipeline.Box {
	half := float64(size) / 2
	return pipeline.Box{X: float64(p.X) + 0.5 - half, Y: float64(p.Y) + 0.5 - half, Width: 2 * half, Height: 2 * half}
}
