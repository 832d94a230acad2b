//go:build matprofile

package mat_test

import (
	"fmt"
	"os"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// TestMain fails where a Mat was never closed, and says which.
func TestMain(m *testing.M) {
	mat.Trace() // or headers of frames wait to be used again
	code := m.Run()
	if code == 0 && gocv.MatProfile.Count() > 0 {
		fmt.Fprintln(os.Stderr, "Mats not closed:")
		_ = gocv.MatProfile.WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}
