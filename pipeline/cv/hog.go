package cv

// #cgo LDFLAGS: -lopencv_objdetect
// #include <stdlib.h>
// #include "cv.h"
import "C"

import (
	"errors"
	"image"
	"unsafe"

	"gocv.io/x/gocv"
)

// PeopleWidth and PeopleHeight are the window that a person has to stand in,
// and so the smallest picture in which a [HOG] finds anybody.
const (
	PeopleWidth  = 64
	PeopleHeight = 128
)

// HOG finds people, upright and whole, by histograms of oriented gradients and
// OpenCV's built-in support vector machine. It is used by one goroutine at a
// time.
type HOG struct {
	p unsafe.Pointer
}

// HOGParams is how thoroughly a [HOG] looks.
type HOGParams struct {
	// Threshold is the least distance from the detector's decision line.
	Threshold float64
	// Stride is the step of the window, in pixels: 4, 8, 16 and so on.
	Stride int
	// Scale is the factor between two sizes of the picture, above 1.
	Scale float64
	// Group is how many windows have to agree on a person.
	Group float64
}

// Found is one person that a [HOG] saw.
type Found struct {
	// Box is the detector's window, in which a person has an eighth of its
	// height as a margin.
	Box image.Rectangle
	// Weight is the distance from the decision line, 0 and more.
	Weight float64
}

// NewHOG returns a detector of people. The caller closes it.
func NewHOG() (*HOG, error) {
	h := &HOG{}
	msg := C.cv_hog_people(&h.p) //nolint:gocritic // what it sees is made by cgo
	if err := check(msg); err != nil {
		return nil, err
	}
	return h, nil
}

// Detect returns the people in m, which is BGR or gray with 8 bits and at least
// [PeopleWidth] by [PeopleHeight].
func (h *HOG) Detect(m *gocv.Mat, how HOGParams) ([]Found, error) {
	if h.p == nil {
		return nil, errors.New("cv: detector is closed")
	}
	var found *C.cv_found
	var n C.int
	msg := C.cv_hog_detect(h.p, unsafe.Pointer(m.Ptr()),
		C.double(how.Threshold), C.int(how.Stride), C.double(how.Scale), C.double(how.Group), &found, &n) //nolint:gocritic // what it sees is made by cgo
	defer C.free(unsafe.Pointer(found))
	if err := check(msg); err != nil {
		return nil, err
	}
	people := make([]Found, n)
	for i, f := range unsafe.Slice(found, n) {
		x, y := int(f.x), int(f.y)
		people[i] = Found{image.Rect(x, y, x+int(f.width), y+int(f.height)), float64(f.weight)}
	}
	return people, nil
}

// Close frees the detector. The second Close does nothing.
func (h *HOG) Close() error {
	if h.p != nil {
		C.cv_hog_free(h.p)
		h.p = nil
	}
	return nil
}

// check makes an error of what a function of cv.h returned.
func check(msg *C.char) error {
	if msg == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(msg))
	return errors.New("opencv: " + C.GoString(msg))
}
