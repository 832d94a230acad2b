//go:build matprofile

package mat_test

import (
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

func TestNoMatIsLeft(t *testing.T) {
	mat.Trace() // or headers of frames wait to be used again
	before := gocv.MatProfile.Count()
	f := pipeline.NewFrame(pipeline.Meta{}, newPicture(33, 17, 100))
	for range 3 {
		must(t)(mat.Luma(f))
		must(t)(mat.View(f))
		must(t)(mat.Edit(f))
		must(t)(mat.Luma(f))
		must(t)(mat.Scaled(f, 8, 8))
	}
	if err := f.Release(); err != nil {
		t.Fatal(err)
	}
	if n := gocv.MatProfile.Count() - before; n != 0 {
		t.Errorf("%d Mats were never closed", n)
	}
}
