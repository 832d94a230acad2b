package mat

// #include <stddef.h>
// #include "wrap.h"
import "C"

import (
	"fmt"
	"unsafe"

	"gocv.io/x/gocv"
)

// wrap returns a Mat over pixels that it does not own: gocv's own constructors
// know no distance between rows. The caller closes it.
func wrap(p unsafe.Pointer, rows, cols int, t gocv.MatType, stride int) (gocv.Mat, error) {
	m := C.mat_wrap(p, C.int(rows), C.int(cols), C.int(t), C.size_t(stride))
	if m == nil {
		return gocv.Mat{}, fmt.Errorf("mat: no Mat of %dx%d with rows of %d bytes", cols, rows, stride)
	}
	return gocv.NewMatFromCMat(m), nil
}

// rewrap has a Mat show other pixels, which it does not own.
func rewrap(m *gocv.Mat, p unsafe.Pointer, rows, cols int, t gocv.MatType, stride int) error {
	if C.mat_rewrap(unsafe.Pointer(m.Ptr()), p, C.int(rows), C.int(cols), C.int(t), C.size_t(stride)) < 0 {
		return fmt.Errorf("mat: no Mat of %dx%d with rows of %d bytes", cols, rows, stride)
	}
	return nil
}

// empty has a Mat show nothing.
func empty(m *gocv.Mat) { C.mat_empty(unsafe.Pointer(m.Ptr())) }
