package mat

import (
	"runtime"

	"gocv.io/x/gocv"
)

// Noise fills m, of bytes, with noise. Another seed makes other noise, on whatever
// thread: OpenCV has a generator for each, and every one begins alike.
func Noise(m *gocv.Mat, seed int32) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	gocv.SetRNGSeed(int(seed))
	gocv.RandU(m, gocv.NewScalar(0, 0, 0, 0), gocv.NewScalar(256, 256, 256, 0))
}
