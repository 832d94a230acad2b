//go:build matprofile

package pipetest

import (
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// TestOpenMats: of a Mat of gocv's it is known who made it, until it is closed.
func TestOpenMats(t *testing.T) {
	if gocv.MatProfile.Name() != matProfile {
		t.Fatalf("gocv's profile is %q", gocv.MatProfile.Name())
	}
	mine := func() (n int) {
		for place, open := range openMats() {
			if strings.Contains(place, "pipetest.TestOpenMats (") && strings.Contains(place, "/leaks_test.go:") {
				n += open
			}
		}
		return n
	}
	a, b := gocv.NewMat(), gocv.NewMatWithSize(2, 2, gocv.MatTypeCV8U)
	if n := mine(); n != 2 {
		t.Errorf("%d open, want 2 in %v", n, openMats())
	}
	img, err := mat.New(2, 2)
	if err != nil {
		t.Fatal(err)
	}
	img.Mat() // which closes with the picture
	for place := range openMats() {
		if strings.Contains(place, "/pipeline/mat.") {
			t.Errorf("one of package mat's own is told: %s", place)
		}
	}
	if n := mine(); n != 2 {
		t.Errorf("%d open beside package mat's, want 2", n)
	}
	img.Close()
	a.Close()
	b.Close()
	if n := mine(); n != 0 {
		t.Errorf("%d open when all are closed", n)
	}
}
