package mat

import (
	"fmt"
	"image"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// RGBA returns the picture for Go's own image packages, in memory of the
// caller's own.
func RGBA(f *pipeline.Frame) (*image.RGBA, error) {
	rgb, err := packed(f, pipeline.RGB24)
	if err != nil {
		return nil, err
	}
	out := image.NewRGBA(image.Rect(0, 0, rgb.format.Width, rgb.format.Height))
	for y := range rgb.format.Height {
		from := rgb.row(y)
		to := out.Pix[y*out.Stride:][:4*rgb.format.Width]
		for len(to) > 0 {
			to[0], to[1], to[2], to[3] = from[0], from[1], from[2], 0xff
			from, to = from[3:], to[4:]
		}
	}
	return out, nil
}

// Bytes returns the pixels of the picture in a layout, in memory of the caller's
// own and without gaps: rows of 3 bytes a pixel for RGB24 and BGR24, of one for
// Gray8 (which is 0 to 255), and the planes one after the other for I420 and
// NV12, those of chroma with half the columns and rows, rounded up. In I420
// and NV12 colours stay those of the stream; of a picture that has none of a
// stream, because it was edited for instance, they are BT.601, limited range.
func Bytes(f *pipeline.Frame, layout pipeline.Layout) ([]byte, error) {
	switch layout {
	case pipeline.RGB24, pipeline.BGR24, pipeline.Gray8:
		m, err := packed(f, layout)
		if err != nil {
			return nil, err
		}
		return m.bytes(), nil
	case pipeline.I420, pipeline.NV12:
		return planarBytes(f, layout)
	}
	return nil, fmt.Errorf("mat: no bytes of %s", layout)
}

// packed returns the frame's view in a layout of one plane.
func packed(f *pipeline.Frame, layout pipeline.Layout) (*Image, error) {
	format, err := formatOf(f)
	if err != nil {
		return nil, err
	}
	to := pipeline.Format{Layout: layout, Width: format.Width, Height: format.Height}
	if layout == pipeline.Gray8 {
		to = gray(format.Width, format.Height)
	}
	return viewImage(f, to, own)
}

// row returns a row of the pixels where they lie.
func (m *Image) row(y int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.p, y*m.stride)), m.format.Width*channels(m.format.Layout))
}

func (m *Image) bytes() []byte {
	out := make([]byte, 0, m.format.Height*m.format.Width*channels(m.format.Layout))
	for y := range m.format.Height {
		out = append(out, m.row(y)...)
	}
	return out
}

// planarBytes converts through memory from the pool, whose rows may be longer
// than the picture's.
func planarBytes(f *pipeline.Frame, layout pipeline.Layout) (out []byte, err error) {
	to, err := formatOf(f)
	if err != nil {
		return nil, err
	}
	if channels(to.Layout) > 0 { // no colours of a stream
		to.Matrix, to.Range = pipeline.BT601, pipeline.Limited
	}
	to.Layout = layout
	c, ok := f.Image().(pipeline.Converter)
	if !ok {
		return nil, fmt.Errorf("mat: %s (%T) cannot convert itself to %s", f.Image().Format(), f.Image(), to)
	}
	stride := evenUp(to.Width)
	half := (to.Height + 1) / 2
	b, err := memory.take(stride * (to.Height + half))
	if err != nil {
		return nil, err
	}
	defer memory.put(b)
	if err := c.ConvertTo(b.p, stride, to); err != nil {
		return nil, err
	}
	all := unsafe.Slice((*byte)(b.p), stride*(to.Height+half))
	for y := range to.Height {
		out = append(out, all[y*stride:][:to.Width]...)
	}
	return append(out, all[stride*to.Height:]...), nil // the colours' rows have no gaps
}
