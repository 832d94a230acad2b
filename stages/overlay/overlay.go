// Package overlay is the stage that draws what other stages saw into pictures.
package overlay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/stages/internal/rgb"
)

// Config of an overlay stage.
type Config struct {
	// Stages whose detections and texts are drawn. By default these are all
	// upstream.
	Stages []string `yaml:"stages" live:"true"`
	// Labels is what is written above a box: "full" (label, track number and
	// score), "name" (the label alone) or "none".
	Labels string `yaml:"labels" oneof:"full,name,none" live:"true"`
	// Colors of boxes by label, such as {person: "#40ff40"}. Each label that is
	// not named gets a colour by itself.
	Colors map[string]rgb.Color `yaml:"colors" live:"true"`
	// LineWidth of boxes, in pixels; 0 fits the size of the picture.
	LineWidth int `yaml:"line_width" range:"0..100" live:"true"`
	// Caption is written into the picture, with expressions in it:
	// "{{ len(people.detections) }} people". It may have several lines. While a
	// value in it is absent there is no caption.
	Caption expr.Template `yaml:"caption" live:"true"`
	// CaptionAt is the edge of the picture that the caption is at.
	CaptionAt string `yaml:"caption_at" oneof:"top,bottom" live:"true"`

	upstream []string `live:"true"` // the stages that set something to draw
}

// Default returns the configuration that draws everything.
func Default() Config { return Config{Labels: "full", CaptionAt: "top"} }

// Validate refuses words that mean nothing.
func (c *Config) Validate() error {
	if labels := []string{"full", "name", "none"}; !slices.Contains(labels, c.Labels) {
		return fmt.Errorf("labels: must be full, name or none, got %q", c.Labels)
	}
	if c.LineWidth < 0 || c.LineWidth > 100 {
		return fmt.Errorf("line_width: must be from 0 to 100, got %d", c.LineWidth)
	}
	if c.CaptionAt != "top" && c.CaptionAt != "bottom" {
		return fmt.Errorf("caption_at: must be top or bottom, got %q", c.CaptionAt)
	}
	return nil
}

// Check compiles the caption, and finds out which stages there are to draw.
func (c *Config) Check(scope *expr.Scope) error {
	var errs []error
	c.upstream = drawable(scope)
	for _, name := range c.Stages {
		if !slices.Contains(c.upstream, name) {
			errs = append(errs, fmt.Errorf("stages: no stage %q upstream sets detections or texts", name))
		}
	}
	if err := c.Caption.Check(scope); err != nil {
		errs = append(errs, fmt.Errorf("caption: %w", err))
	}
	return errors.Join(errs...)
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "overlay", Default: Default, New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit},
		Stateless: true,
	})
}

// Overlay draws boxes, labels, texts and a caption.
type Overlay struct {
	cfg    Config
	env    pipeline.Env
	stages []string
}

var (
	_ pipeline.Stage                = (*Overlay)(nil)
	_ pipeline.Reconfigurer[Config] = (*Overlay)(nil)
	_ expr.Checker                  = (*Config)(nil)
)

// New returns an overlay stage.
func New(env pipeline.Env, cfg Config) (pipeline.Stage, error) {
	o := &Overlay{env: env}
	err := o.Reconfigure(cfg)
	return o, err
}

// Reconfigure draws otherwise from here on.
func (o *Overlay) Reconfigure(cfg Config) error {
	o.cfg, o.stages = cfg, cfg.Stages
	if len(o.stages) == 0 {
		o.stages = cfg.upstream
	}
	return nil
}

// Process draws on the picture. Where there is nothing to draw it stays as it
// is.
func (o *Overlay) Process(_ context.Context, f *pipeline.Frame) error {
	boxes := o.boxes(f)
	caption, err := o.caption(f)
	if err != nil {
		return err
	}
	if len(boxes) == 0 && caption == "" {
		return nil
	}
	m, err := mat.Edit(f)
	if err != nil {
		return err
	}
	return o.draw(m, boxes, caption)
}

func (o *Overlay) draw(m *gocv.Mat, boxes []box, caption string) error {
	p := newPen(m, o.cfg.LineWidth)
	for _, b := range boxes {
		if err := p.box(b); err != nil {
			return err
		}
	}
	if caption == "" {
		return nil
	}
	return p.caption(caption, o.cfg.CaptionAt == "bottom")
}

func (o *Overlay) caption(f *pipeline.Frame) (string, error) {
	in := expr.Input{Frame: f, LastMessage: o.env.LastMessage}
	if o.env.Clock != nil {
		in.Now = o.env.Clock.Now()
	}
	text, _, err := o.cfg.Caption.Text(in)
	if err != nil {
		return "", fmt.Errorf("caption: %w", err)
	}
	return text, nil
}
