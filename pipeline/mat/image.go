package mat

import (
	"fmt"
	"math"
	"sync"
	"unsafe"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Image is a picture in BGR24 or Gray8 that OpenCV can read and write. It is
// what [New] makes, and what a frame holds once it was edited.
type Image struct {
	format pipeline.Format
	p      unsafe.Pointer
	stride int    // in bytes
	buffer buffer // empty: the pixels are somebody else's, who outlives them
	framed bool   // from shells

	mu      sync.Mutex // guards what follows
	headers []*gocv.Mat
	spare   []*gocv.Mat // from an earlier life
	closed  bool
}

var (
	_ pipeline.Planar    = (*Image)(nil)
	_ pipeline.Converter = (*Image)(nil)
)

// New returns a BGR picture from the pool, its pixels as the last user left
// them. It is the caller's to Close, unless it goes into a frame with
// [pipeline.Frame.Replace], to which it belongs from then on.
func New(width, height int) (*Image, error) { return allocate(bgr(width, height)) }

// From returns a picture with a copy of the pixels of m, which is 8 bits deep
// and has one channel (gray) or three (BGR). The caller closes it.
func From(m *gocv.Mat) (*Image, error) {
	img, err := allocate(pipeline.Format{Layout: layoutOf(m), Width: m.Cols(), Height: m.Rows()})
	if err != nil {
		return nil, err
	}
	if err := m.CopyTo(img.Mat()); err != nil {
		return nil, closing(img, err)
	}
	return img, nil
}

func layoutOf(m *gocv.Mat) pipeline.Layout {
	switch m.Type() {
	case gocv.MatTypeCV8UC1:
		return pipeline.Gray8
	case gocv.MatTypeCV8UC3:
		return pipeline.BGR24
	}
	return pipeline.LayoutUnknown
}

// allocate returns a picture of the caller's own.
func allocate(format pipeline.Format) (*Image, error) {
	m := new(Image)
	if err := m.allocate(format); err != nil {
		return nil, err
	}
	return m, nil
}

// allocate gives m memory with rows that follow each other without gaps, which is
// what OpenCV's users expect.
func (m *Image) allocate(format pipeline.Format) error {
	row := format.Width * channels(format.Layout)
	if row <= 0 || format.Height <= 0 || row > math.MaxInt32/format.Height {
		return fmt.Errorf("mat: no picture can be %s", format)
	}
	b, err := memory.take(row * format.Height)
	if err != nil {
		return err
	}
	m.format, m.p, m.stride, m.buffer = format, b.p, row, b
	return nil
}

// channels is 0 for layouts that an Image does not have.
func channels(l pipeline.Layout) int {
	switch l {
	case pipeline.BGR24, pipeline.RGB24:
		return 3
	case pipeline.Gray8:
		return 1
	}
	return 0
}

func matType(l pipeline.Layout) gocv.MatType {
	if channels(l) == 1 {
		return gocv.MatTypeCV8UC1
	}
	return gocv.MatTypeCV8UC3
}

// Format returns layout and size.
func (m *Image) Format() pipeline.Format { return m.format }

// Mat returns a header over the picture's pixels, valid until the picture is
// closed. Closing the header is harmless and not needed.
func (m *Image) Mat() *gocv.Mat {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		panic("mat: picture used after its release")
	}
	h, err := m.header()
	if err != nil {
		panic(err) // checked when the picture was made
	}
	m.headers = append(m.headers, h)
	return h
}

// Plane returns where the pixels are. There is one plane.
func (m *Image) Plane(int) (p unsafe.Pointer, stride int) { return m.p, m.stride }

// Clone returns a picture of the caller's own with the same pixels.
func (m *Image) Clone() (pipeline.Image, error) {
	c, err := allocate(m.format)
	if err != nil {
		return nil, err
	}
	if err := m.ConvertTo(c.p, c.stride, c.format); err != nil {
		return nil, closing(c, err)
	}
	return c, nil
}

// Close ends the picture and every Mat of it. The second Close does nothing.
func (m *Image) Close() error {
	if !m.end() {
		return nil
	}
	b := m.buffer
	m.p, m.buffer = nil, buffer{}
	if m.framed {
		framed.put(m)
	} else {
		m.bare(0)
	}
	if b.p != nil {
		memory.put(b)
	}
	return nil
}

// end says whether it is the first that was called.
func (m *Image) end() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := !m.closed
	m.closed = true
	return first
}

// closing ends a picture that could not be filled.
func closing(m *Image, err error) error {
	m.Close()
	return err
}
