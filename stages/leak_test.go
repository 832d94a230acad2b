//go:build matprofile

package stages_test

import (
	"io"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages"
)

// Every stage gives back each Mat that it made, once it is closed.
func TestNoMatIsLeft(t *testing.T) {
	configs := map[string]string{
		"resize": "width: 32", "crop": "{x: 1, y: 2}", "people_detect": "width: 128", "overlay": "caption: x",
		"exec": "{command: [sh, testdata/polite.sh], dir: .}",
	}
	r := pipeline.NewRegistry()
	stages.Register(r)
	for _, kind := range r.Stages() {
		t.Run(kind, func(t *testing.T) {
			before := gocv.MatProfile.Count()
			use(t, pipetest.NewStage(t, pipetest.Case{Register: stages.Register, Kind: kind, Config: configs[kind]}))
			if n := gocv.MatProfile.Count() - before; n != 0 {
				t.Errorf("%d Mats were never closed", n)
			}
		})
	}
}

func use(t *testing.T, stage pipeline.Stage) {
	t.Helper()
	for _, size := range []int{160, 160, 97} {
		f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: size, Height: 160})
		if err := stage.Process(t.Context(), f); err != nil {
			t.Error(err)
		}
		f.Release()
	}
	if r, ok := stage.(pipeline.Resetter); ok {
		r.Reset(pipeline.Loop)
	}
	if c, ok := stage.(io.Closer); ok {
		c.Close()
	}
}
