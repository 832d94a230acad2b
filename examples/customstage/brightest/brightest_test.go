package brightest_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"

	"example.com/acme/customstage/brightest"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: brightest.Register, Kind: "brightest", Config: config, Live: mat.Live}
}

// The test of a stage begins with the contract that all stages keep.
func TestContract(t *testing.T) { pipetest.Stage(t, kind("size: 5")) }

// The test picture has a bright square in its middle.
func TestBrightest(t *testing.T) {
	tests := []struct {
		name   string
		config string
		want   int
	}{
		{"bright enough", "{size: 15, min_brightness: 200}", 1},
		{"too dark", "{size: 15, min_brightness: 254}", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 160, Height: 120})
			defer f.Release()
			stage := pipetest.NewStage(t, kind(tt.config))
			defer stage.(*brightest.Brightest).Close()
			if err := stage.Process(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			found, _ := pipeline.Get(f, pipeline.Detections)
			if len(found) != tt.want {
				t.Fatalf("found %v, want %d", found, tt.want)
			}
			for _, d := range found {
				if x := d.Box.X + d.Box.Width/2; x < 60 || x > 100 {
					t.Errorf("the spot is at %v, want it in the middle", d.Box)
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	cfg := brightest.Default()
	cfg.Size = 4
	if got, want := cfg.Validate().Error(), "size: must be odd and positive, got 4"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
