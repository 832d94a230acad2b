package pipetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Picture is an image in Go memory, in one of the layouts I420, NV12, BGR24,
// RGB24 and Gray8. It converts itself slowly and plainly.
type Picture struct {
	format pipeline.Format
	data   []byte
	watch  *watch
	closed bool
}

var (
	_ pipeline.Planar    = (*Picture)(nil)
	_ pipeline.Converter = (*Picture)(nil)
)

// watch is what is known of the pictures of one check.
type watch struct {
	live     atomic.Int64
	touched  atomic.Bool // anything but the format was asked for
	coloured atomic.Bool // a conversion to colour was asked for
	sealed   bool        // panic when touched
}

// NewPicture returns a picture of smooth gradients with a bright square in it,
// the same for the same format. The test fails if it is not closed.
func NewPicture(t testing.TB, format pipeline.Format) *Picture {
	t.Helper()
	w := new(watch)
	t.Cleanup(func() { w.mustBeGone(t) })
	return newPicture(format, w)
}

// NewFrame returns a frame that owns such a picture. The caller releases it.
func NewFrame(t testing.TB, format pipeline.Format) *pipeline.Frame {
	t.Helper()
	return pipeline.NewFrame(metaOf(format), NewPicture(t, format))
}

func metaOf(format pipeline.Format) pipeline.Meta {
	return pipeline.Meta{Stream: "test", Width: format.Width, Height: format.Height, Keyframe: true}
}

func newPicture(format pipeline.Format, w *watch) *Picture {
	p := &Picture{format: format, data: make([]byte, sizeOf(format)), watch: w}
	paint(format, p.data)
	w.live.Add(1)
	return p
}

func (w *watch) mustBeGone(t testing.TB) {
	t.Helper()
	if n := w.live.Load(); n != 0 {
		t.Errorf("%d pictures were not closed", n)
	}
}

// Format returns the picture's format.
func (p *Picture) Format() pipeline.Format { return p.format }

// Clone returns a copy.
func (p *Picture) Clone() (pipeline.Image, error) {
	p.touch()
	p.watch.live.Add(1)
	return &Picture{format: p.format, data: slices.Clone(p.data), watch: p.watch}, nil
}

// Close ends the use of the picture. It panics when that was done before.
func (p *Picture) Close() error {
	if p.closed {
		panic("pipetest: picture closed twice")
	}
	p.closed = true
	p.watch.live.Add(-1)
	return nil
}

// Plane returns the start of plane i and the length of its rows in bytes.
func (p *Picture) Plane(i int) (unsafe.Pointer, int) {
	p.touch()
	if i > 0 {
		p.watch.coloured.Store(true)
	}
	at, stride := plane(p.format, i)
	return unsafe.Pointer(&p.data[at]), stride
}

// ConvertTo writes the picture in another layout and size.
func (p *Picture) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	p.touch()
	if to.Layout != pipeline.Gray8 {
		p.watch.coloured.Store(true)
	}
	return convert(dst, stride, to, p)
}

func (p *Picture) touch() {
	if p.closed {
		panic("pipetest: picture used after it was closed")
	}
	if p.watch.sealed {
		panic("pipetest: the kind declares NoRead but asked for pixels")
	}
	p.watch.touched.Store(true)
}

// sizeOf returns how many bytes a picture takes.
func sizeOf(f pipeline.Format) int {
	chroma := (f.Width + 1) / 2 * ((f.Height + 1) / 2)
	switch f.Layout {
	case pipeline.I420, pipeline.NV12:
		return f.Width*f.Height + 2*chroma
	case pipeline.BGR24, pipeline.RGB24:
		return 3 * f.Width * f.Height
	case pipeline.Gray8:
		return f.Width * f.Height
	default:
		panic(fmt.Sprintf("pipetest: no pictures of layout %s", f.Layout))
	}
}

// plane returns where plane i begins and how long its rows are.
func plane(f pipeline.Format, i int) (at, stride int) {
	half := (f.Width + 1) / 2
	switch {
	case f.Layout == pipeline.BGR24 || f.Layout == pipeline.RGB24:
		return 0, 3 * f.Width
	case i == 0:
		return 0, f.Width
	case f.Layout == pipeline.NV12:
		return f.Width * f.Height, 2 * half
	default:
		return f.Width*f.Height + (i-1)*half*((f.Height+1)/2), half
	}
}

// paint fills a picture: gradients, and a bright square in the middle.
func paint(f pipeline.Format, data []byte) {
	rows := surface{format: f, data: data}
	for y := range f.Height {
		for x := range f.Width {
			c := colour{
				r: uint8(40 + 120*x/f.Width), g: uint8(60 + 100*y/f.Height), b: uint8(150 - 100*x/f.Width),
			}
			if abs(x-f.Width/2) < f.Width/8 && abs(y-f.Height/2) < f.Height/8 {
				c = colour{r: 230, g: 225, b: 220}
			}
			rows.set(x, y, c)
		}
	}
}

func abs(n int) int { return max(n, -n) }
