// Package peopledetect is the stage that finds people, with what OpenCV brings
// along and no model file: histograms of oriented gradients. It sets a detection
// labelled "person" for each person whom it sees upright and whole, those with
// the highest score first.
package peopledetect

import (
	"context"
	"fmt"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/cv"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config of a people_detect stage.
type Config struct {
	// Width that pictures are scaled to before people are looked for, in pixels.
	// A person is found from about 100 pixels of height on, so that small people
	// need a large width; but twice the width takes four times as long. At 768 a
	// picture takes about a tenth of a second: `async: true` keeps that from
	// holding up the others.
	Width int `yaml:"width" range:"64..4096" live:"true"`
	// MinScore is the least score of a detection, 0 to 1.
	MinScore float64 `yaml:"min_score" range:"0..<1" live:"true"`
	// Stride is the step of the search, in pixels. 4 finds a few more
	// people and takes four times as long.
	Stride int `yaml:"stride" oneof:"4,8,16" live:"true"`
	// Scale is the factor between two sizes of people that are looked for, above
	// 1 and at most 2. 1.05 finds a few more people and takes twice as long.
	Scale float64 `yaml:"scale" live:"true"`
	// Overlap is how much of the smaller of two boxes may lie in the other, 0 to
	// 1; of two that overlap more the one with the lower score is left out.
	Overlap float64 `yaml:"overlap" range:"0..1" live:"true"`
}

// Default returns a configuration that finds people in a street.
func Default() Config {
	return Config{Width: 768, MinScore: 0.4, Stride: 8, Scale: 1.1, Overlap: 0.65}
}

// Validate refuses what the detector cannot do.
func (c *Config) Validate() error {
	if c.Width < cv.PeopleWidth || c.Width > 4096 {
		return fmt.Errorf("width: must be from %d to 4096, got %d", cv.PeopleWidth, c.Width)
	}
	if !(c.MinScore >= 0 && c.MinScore < 1) {
		return fmt.Errorf("min_score: must be from 0 to below 1, got %g", c.MinScore)
	}
	if c.Stride != 4 && c.Stride != 8 && c.Stride != 16 {
		return fmt.Errorf("stride: must be 4, 8 or 16, got %d", c.Stride)
	}
	if !(c.Scale > 1 && c.Scale <= 2) {
		return fmt.Errorf("scale: must be above 1 and at most 2, got %g", c.Scale)
	}
	if !(c.Overlap >= 0 && c.Overlap <= 1) {
		return fmt.Errorf("overlap: must be from 0 to 1, got %g", c.Overlap)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "people_detect", Default: Default, New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.Gray},
		Sets:      []pipeline.AnyKind{pipeline.Detections},
		Stateless: true,
	})
}

// PeopleDetect finds people.
type PeopleDetect struct {
	cfg Config
	hog *cv.HOG
}

var (
	_ pipeline.Stage                = (*PeopleDetect)(nil)
	_ pipeline.Reconfigurer[Config] = (*PeopleDetect)(nil)
)

// New returns a people_detect stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) {
	hog, err := cv.NewHOG()
	if err != nil {
		return nil, err
	}
	return &PeopleDetect{cfg, hog}, nil
}

// Reconfigure looks otherwise from here on.
func (p *PeopleDetect) Reconfigure(cfg Config) error {
	p.cfg = cfg
	return nil
}

// Process annotates f with the people in it.
func (p *PeopleDetect) Process(_ context.Context, f *pipeline.Frame) error {
	img := f.Image()
	if img == nil {
		return pipeline.ErrNoPixels
	}
	format := img.Format()
	// Gray finds as many people as colour does, in less time.
	m, err := mat.ScaledGray(f, p.cfg.Width, max(1, format.Height*p.cfg.Width/format.Width))
	if err != nil {
		return err
	}
	found, err := p.find(m)
	if err != nil {
		return err
	}
	up := pipeline.Scale(float64(format.Width)/float64(m.Cols()), float64(format.Height)/float64(m.Rows()))
	people := suppress(detections(found, up), p.cfg.Overlap)
	pipeline.Set(f, pipeline.Detections, people)
	return nil
}

func (p *PeopleDetect) find(m *gocv.Mat) ([]cv.Found, error) {
	if m.Cols() < cv.PeopleWidth || m.Rows() < cv.PeopleHeight {
		return nil, nil // too flat for anybody to stand in
	}
	return p.hog.Detect(m, cv.HOGParams{
		Threshold: weight(p.cfg.MinScore), Stride: p.cfg.Stride, Scale: p.cfg.Scale,
	})
}

// Close frees the detector.
func (p *PeopleDetect) Close() error { return p.hog.Close() }
