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
