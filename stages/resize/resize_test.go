package resize_test

import (
	"image"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/resize"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: resize.Register, Kind: "resize", Config: config, Live: mat.Live}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("width: 160")) }

func TestResize(t *testing.T) {
	tests := []struct {
		name   string
		config string
		from   image.Point
		want   image.Point
	}{
		{"both sides", "{width: 32, height: 24}", image.Pt(64, 64), image.Pt(32, 24)},
		{"larger", "{width: 128, height: 128}", image.Pt(64, 64), image.Pt(128, 128)},
		{"height in proportion", "width: 640", image.Pt(1280, 720), image.Pt(640, 360)},
		{"width in proportion, even", "height: 480", image.Pt(1280, 720), image.Pt(854, 480)},
		{"in proportion to a sliver", "width: 4", image.Pt(640, 2), image.Pt(4, 1)},
		{"as it is", "{width: 64, height: 64}", image.Pt(64, 64), image.Pt(64, 64)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stage := pipetest.NewStage(t, kind(tt.config))
			f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: tt.from.X, Height: tt.from.Y})
			defer f.Release()
			if err := stage.Process(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			m, err := mat.View(f)
			if err != nil {
				t.Fatal(err)
			}
			if got := image.Pt(m.Cols(), m.Rows()); got != tt.want {
				t.Errorf("size is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBoxesMoveAlong(t *testing.T) {
	stage := pipetest.NewStage(t, kind("{width: 32, height: 16}"))
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 64, Height: 64})
	defer f.Release()
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{Box: pipeline.Box{X: 32, Y: 32, Width: 16, Height: 16}}})
	if err := stage.Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	ds, _ := pipeline.Get(f, pipeline.Detections)
	if got, want := ds[0].Box, (pipeline.Box{X: 16, Y: 8, Width: 8, Height: 4}); got != want {
		t.Errorf("the box is at %v, want %v", got, want)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		cfg  resize.Config
		want string
	}{
		{resize.Config{}, "width, height: one must be positive, the other may be 0 to keep the proportions, got 0x0"},
		{resize.Config{Width: -1, Height: 4}, "width, height: one must be positive, the other may be 0 to keep the proportions, got -1x4"},
		{resize.Config{Height: 4}, ""},
	}
	for _, tt := range tests {
		if got := message(tt.cfg.Validate()); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.cfg, got, tt.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
