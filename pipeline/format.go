package pipeline

import "fmt"

// Layout says how the pixels of an image lie in memory.
type Layout uint8

// The layouts that flow through a pipeline.
const (
	LayoutUnknown Layout = iota
	I420                 // planar 4:2:0: Y, U, V
	NV12                 // semi-planar 4:2:0: Y, then U and V interleaved
	BGR24                // packed, 3 bytes a pixel: OpenCV's order
	RGB24                // packed, 3 bytes a pixel
	Gray8                // one plane; full range always
	Opaque               // whatever the decoder has (a hardware surface, a rare format); ask for a conversion
)

// String returns the layout's usual short name.
func (l Layout) String() string {
	names := [...]string{"unknown", "i420", "nv12", "bgr24", "rgb24", "gray8", "opaque"}
	if int(l) >= len(names) {
		return fmt.Sprintf("layout(%d)", l)
	}
	return names[l]
}

// Matrix is the YCbCr matrix of a picture. The zero value is BT.601, which is
// also what an undeclared stream is taken for, at any size.
type Matrix uint8

// The matrices that are told apart.
const (
	BT601 Matrix = iota
	BT709
	BT2020
)

// Range is the nominal range of luma. The zero value is Limited (16–235).
type Range uint8

// The two ranges.
const (
	Limited Range = iota
	Full
)

// Format describes an image completely. It is comparable.
type Format struct {
	Layout        Layout
	Width, Height int // in pixels
	Matrix        Matrix
	Range         Range
}

// String returns, say, "i420 1280x720".
func (f Format) String() string {
	return fmt.Sprintf("%s %dx%d", f.Layout, f.Width, f.Height)
}
