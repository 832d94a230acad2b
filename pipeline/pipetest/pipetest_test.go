package pipetest

import (
	"context"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

type brightConfig struct {
	By int `yaml:"by"`
}

// registerBright adds a stage that edits as it should.
func registerBright(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[brightConfig]{
		Name: "bright", Pixels: pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit}, Stateless: true,
		New: func(_ pipeline.Env, cfg brightConfig) (pipeline.Stage, error) {
			return pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error { return brighten(f, cfg.By) }), nil
		},
	})
}

func brighten(f *pipeline.Frame, by int) error {
	clone := func(src pipeline.Image) (pipeline.Image, error) { return src.Clone() }
	img, err := f.Edit(func(pipeline.Image) bool { return true }, clone)
	if err != nil {
		return err
	}
	p := img.(*Picture)
	for i := range p.data {
		p.data[i] = clamp(float64(p.data[i]) + float64(by))
	}
	return nil
}

func TestStage(t *testing.T) {
	Stage(t, Case{Register: registerBright, Kind: "bright", Config: "by: 10"})
}

type countingSink struct{ frames int }

func (s *countingSink) Write(context.Context, *pipeline.Frame) error {
	s.frames++
	return nil
}

func (s *countingSink) Close() error { return nil }

func TestSink(t *testing.T) {
	Sink(t, Case{Kind: "count", Register: func(r *pipeline.Registry) {
		pipeline.RegisterSink(r, pipeline.SinkKind[struct{}]{
			Name: "count", New: func(pipeline.Env, struct{}) (pipeline.Sink, error) { return new(countingSink), nil },
		})
	}})
}

// relay is a sink that takes access units, too.
type relay struct {
	countingSink
	units int
}

func (r *relay) WriteUnit(_ context.Context, u pipeline.Unit) error {
	if r.units == 0 && !u.Keyframe {
		return pipeline.ErrNeedKeyframe
	}
	r.units++
	return nil
}

func TestSinkOfUnits(t *testing.T) {
	var relays []*relay
	Sink(t, Case{Kind: "relay", Register: func(r *pipeline.Registry) {
		pipeline.RegisterSink(r, pipeline.SinkKind[struct{}]{
			Name: "relay", Encoded: true, New: func(pipeline.Env, struct{}) (pipeline.Sink, error) {
				relays = append(relays, new(relay))
				return relays[len(relays)-1], nil
			},
		})
	}})
	if n, want := relays[len(relays)-1].units, len(units())+1; n != want {
		t.Errorf("it was given %d units from a keyframe on, want %d", n, want)
	}
}
