// Package motion is the stage that finds what moves, by the difference between
// two pictures. It sets the measurement "motion", the share of the picture that
// changed, 0 to 1, and a detection labelled "motion" for each moving area, whose
// score is the share of its box that changed. On a picture that none came before
// it sets nothing.
package motion

import (
	"context"
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config of a motion stage.
type Config struct {
	// Width that pictures are scaled to before they are compared, in pixels.
	// Smaller is faster and takes less notice of noise.
	Width int `yaml:"width" range:"16..4096"`
	// Threshold is how much brighter or darker a pixel has to become to count as
	// changed, 1 to 254.
	Threshold int `yaml:"threshold" range:"1..254" live:"true"`
	// MinArea is the smallest moving area that makes a detection, as a share of
	// the picture, 0 to 1.
	MinArea float64 `yaml:"min_area" range:"0..1" live:"true"`
}

// Default returns the configuration for a camera that stands still.
func Default() Config { return Config{Width: 320, Threshold: 25, MinArea: 0.002} }

// Validate refuses what finds nothing, or everything.
func (c *Config) Validate() error {
	if c.Width < 16 || c.Width > 4096 {
		return fmt.Errorf("width: must be from 16 to 4096, got %d", c.Width)
	}
	if c.Threshold < 1 || c.Threshold > 254 {
		return fmt.Errorf("threshold: must be from 1 to 254, got %d", c.Threshold)
	}
	if !(c.MinArea >= 0 && c.MinArea <= 1) {
		return fmt.Errorf("min_area: must be from 0 to 1, got %g", c.MinArea)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "motion", Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.Gray},
		Sets:   []pipeline.AnyKind{pipeline.Measurements, pipeline.Detections},
	})
}

// Motion compares each picture with the one before.
type Motion struct {
	cfg      Config
	previous gocv.Mat // empty before the first picture
	current  gocv.Mat
	changed  gocv.Mat
	joined   gocv.Mat // changed, with small holes closed
	kernel   gocv.Mat
	areas    areas
}

var (
	_ pipeline.Stage                = (*Motion)(nil)
	_ pipeline.Reconfigurer[Config] = (*Motion)(nil)
	_ pipeline.Resetter             = (*Motion)(nil)
)

// New returns a motion stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) {
	return &Motion{
		cfg: cfg, previous: gocv.NewMat(), current: gocv.NewMat(), changed: gocv.NewMat(), joined: gocv.NewMat(),
		kernel: gocv.GetStructuringElement(gocv.MorphRect, image.Pt(5, 5)), areas: newAreas(),
	}, nil
}

// Reconfigure takes other bounds of what moves.
func (m *Motion) Reconfigure(cfg Config) error {
	m.cfg = cfg
	return nil
}

// Process compares the picture with the one before.
func (m *Motion) Process(_ context.Context, f *pipeline.Frame) error {
	img := f.Image()
	if img == nil {
		return pipeline.ErrNoPixels
	}
	format := img.Format()
	width := min(m.cfg.Width, format.Width)
	small, err := mat.ScaledGray(f, width, max(1, format.Height*width/format.Width))
	if err != nil {
		return err
	}
	if err := gocv.GaussianBlur(*small, &m.current, image.Pt(3, 3), 0, 0, gocv.BorderDefault); err != nil {
		return err
	}
	comparable := m.previous.Cols() == small.Cols() && m.previous.Rows() == small.Rows()
	if comparable {
		up := pipeline.Scale(float64(format.Width)/float64(small.Cols()), float64(format.Height)/float64(small.Rows()))
		err = m.compare(f, up)
	}
	m.previous, m.current = m.current, m.previous // they swap places: each still has one owner
	return err
}

// Reset forgets the picture before.
func (m *Motion) Reset(pipeline.Reason) {
	m.previous.Close()
	m.previous = gocv.NewMat()
}

// Close frees what the stage remembers.
func (m *Motion) Close() error {
	return errors.Join(m.previous.Close(), m.current.Close(), m.changed.Close(), m.joined.Close(), m.kernel.Close(), m.areas.Close())
}

// compare annotates f with what differs between the previous and the current
// picture; up maps positions in these to f.
func (m *Motion) compare(f *pipeline.Frame, up pipeline.Affine) error {
	if err := gocv.AbsDiff(m.previous, m.current, &m.changed); err != nil {
		return err
	}
	gocv.Threshold(m.changed, &m.changed, float32(m.cfg.Threshold), 255, gocv.ThresholdBinary)
	pixels := float64(m.changed.Total())
	pipeline.Set(f, pipeline.Measurements, map[string]float64{
		"motion": float64(gocv.CountNonZero(m.changed)) / pixels,
	})
	if err := gocv.Dilate(m.changed, &m.joined, m.kernel); err != nil {
		return err
	}
	pipeline.Set(f, pipeline.Detections, m.detections(m.cfg.MinArea*pixels, up))
	return nil
}

func (m *Motion) detections(minArea float64, up pipeline.Affine) []pipeline.Detection {
	found := []pipeline.Detection{}
	for _, r := range m.areas.find(m.joined) {
		if float64(r.Dx()*r.Dy()) < minArea {
			continue
		}
		found = append(found, pipeline.Detection{
			Label: "motion",
			Score: share(m.changed, r),
			Box: up.Box(pipeline.Box{
				X: float64(r.Min.X), Y: float64(r.Min.Y), Width: float64(r.Dx()), Height: float64(r.Dy()),
			}),
		})
	}
	return found
}

// share returns how much of r is not zero in m, 0 to 1.
func share(m gocv.Mat, r image.Rectangle) float64 {
	part := m.Region(r)
	defer part.Close()
	return float64(gocv.CountNonZero(part)) / float64(r.Dx()*r.Dy())
}
