//go:build matprofile

package pipetest

import (
	"strings"
	"testing"

	"gocv.io/x/gocv"
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
	a.Close()
	b.Close()
	if n := mine(); n != 0 {
		t.Errorf("%d open when all are closed", n)
	}
}
