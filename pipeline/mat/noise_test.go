package mat_test

import (
	"bytes"
	"runtime"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Noise is by its seed alone, whichever thread makes it.
func TestNoise(t *testing.T) {
	noise := func(seed int32) (pixels []byte) {
		m := gocv.NewMatWithSize(9, 16, gocv.MatTypeCV8UC3)
		defer m.Close()
		made := make(chan struct{})
		go func() {
			defer close(made)
			runtime.LockOSThread() // and never unlocked: the thread ends with this
			mat.Noise(&m, seed)
		}()
		<-made
		return m.ToBytes()
	}
	first, second := noise(1), noise(2)
	if bytes.Equal(first, second) {
		t.Error("two pictures are alike")
	}
	if !bytes.Equal(first, noise(1)) {
		t.Error("the same seed makes other noise")
	}
	if bytes.Count(first, first[:1]) > len(first)/2 {
		t.Errorf("no noise: % x", first[:20])
	}
}
