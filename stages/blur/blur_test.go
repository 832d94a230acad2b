package blur_test

import (
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/blur"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: blur.Register, Kind: "blur", Config: config, Live: mat.Live}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("")) }

func TestBlur(t *testing.T) {
	f := dot(t)
	defer f.Release()
	if err := pipetest.NewStage(t, kind("radius: 3")).Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	m, err := mat.View(f)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel is 1 2 1 in both directions, over 16.
	for col, want := range []uint8{0, 0, 0, 31, 63, 31, 0} {
		if got := m.GetVecbAt(4, col)[0]; got < want || got > want+1 {
			t.Errorf("column %d is %d, want %d", col, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		radius int
		want   string
	}{
		{1, ""},
		{255, ""},
		{4, "radius: must be odd and positive, got 4"},
		{-3, "radius: must be odd and positive, got -3"},
		{257, "radius: must be at most 255, got 257"},
	}
	for _, tt := range tests {
		cfg := blur.Config{Radius: tt.radius}
		if got := message(cfg.Validate()); got != tt.want {
			t.Errorf("%d: %q, want %q", tt.radius, got, tt.want)
		}
	}
}

// dot returns a black picture with one white pixel at 4,4.
func dot(t *testing.T) *pipeline.Frame {
	t.Helper()
	m := gocv.NewMatWithSize(9, 9, gocv.MatTypeCV8UC1)
	defer m.Close()
	m.SetUCharAt(4, 4, 255)
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.NewFrame(pipeline.Meta{}, img)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
