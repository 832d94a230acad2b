package lookback_test

import (
	"image"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/examples/lookback/lookback"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: lookback.Register, Kind: "lookback", Config: config, Live: mat.Live}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("")) }

// A square comes into a black picture, and stays.
func TestLookback(t *testing.T) {
	stage := pipetest.NewStage(t, kind("ago: 1s")).(*lookback.Lookback)
	before := mat.Live()
	tests := []struct {
		at     time.Duration
		square bool
		reset  bool
		want   float64 // -1: nothing to compare with
	}{
		{0, false, false, -1},
		{500 * time.Millisecond, true, false, 0.25},
		{time.Second, true, false, 0.25}, // and becomes what others are compared with
		{1500 * time.Millisecond, true, false, 0},
		{1600 * time.Millisecond, false, true, -1},
		{1700 * time.Millisecond, true, false, 0.25},
	}
	for _, tt := range tests {
		if tt.reset {
			stage.Reset(pipeline.Loss)
		}
		f := picture(t, tt.at, tt.square)
		if err := stage.Process(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		got, found := pipeline.Get(f, pipeline.Measurements)
		if found != (tt.want >= 0) || found && got["changed"] != tt.want {
			t.Errorf("at %s: got %v, want %v", tt.at, got, tt.want)
		}
		if err := f.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if err := stage.Close(); err != nil {
		t.Error(err)
	}
	if live := mat.Live(); live != before {
		t.Errorf("%d pictures are left", live-before)
	}
}

// picture is black, with a white square in its first quarter.
func picture(t *testing.T, at time.Duration, square bool) *pipeline.Frame {
	t.Helper()
	img, err := mat.New(160, 120)
	if err != nil {
		t.Fatal(err)
	}
	m := img.Mat()
	m.SetTo(gocv.NewScalar(0, 0, 0, 0))
	if square {
		quarter := m.Region(image.Rect(0, 0, 80, 60))
		defer quarter.Close()
		quarter.SetTo(gocv.NewScalar(255, 255, 255, 0))
	}
	return pipeline.NewFrame(pipeline.Meta{PTS: at}, img)
}

func TestValidate(t *testing.T) {
	tests := []struct {
		change func(*lookback.Config)
		want   string
	}{
		{func(c *lookback.Config) { c.Ago = 0 }, "ago: must be above 0s, got 0s"},
		{func(c *lookback.Config) { c.Threshold = 256 }, "threshold: must be from 1 to 255, got 256"},
	}
	for _, tt := range tests {
		cfg := lookback.Default()
		tt.change(&cfg)
		if err := cfg.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
