package mat

import (
	"fmt"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// View returns the picture in BGR (CV_8UC3), for reading. A View taken before
// [Edit] may show the edit: clone it if you need the old picture.
func View(f *pipeline.Frame) (*gocv.Mat, error) {
	format, err := formatOf(f)
	if err != nil {
		return nil, err
	}
	return view(f, bgr(format.Width, format.Height), own)
}

// Gray returns the brightness of the picture (CV_8UC1), for reading: 0 to 255
// always, whatever the range of the stream. It never goes by BGR where the
// stream itself has brightness.
func Gray(f *pipeline.Frame) (*gocv.Mat, error) {
	format, err := formatOf(f)
	if err != nil {
		return nil, err
	}
	if hasLuma(format.Layout) && isFull(format) {
		return Luma(f)
	}
	return view(f, gray(format.Width, format.Height), own)
}

// Luma returns the luma plane as it is in the stream (CV_8UC1), mostly 16 to
// 235, for reading; where the decoder gave one, without a copy. A picture
// without luma, one that was edited for instance, is converted to what a
// limited BT.601 stream would have.
func Luma(f *pipeline.Frame) (*gocv.Mat, error) {
	format, err := formatOf(f)
	if err != nil {
		return nil, err
	}
	// Its range tells this view from gray.
	return view(f, pipeline.Format{Layout: pipeline.Gray8, Width: format.Width, Height: format.Height}, luma)
}

// Scaled returns the picture in BGR and in another size, for reading, scaled and
// converted in one pass.
func Scaled(f *pipeline.Frame, width, height int) (*gocv.Mat, error) {
	return view(f, bgr(width, height), own)
}

// ScaledGray is [Scaled] for [Gray].
func ScaledGray(f *pipeline.Frame, width, height int) (*gocv.Mat, error) {
	return view(f, gray(width, height), own)
}

// NewScaled returns a BGR picture of the caller's own that shows what f shows,
// in another size, made in one pass: see [New].
func NewScaled(f *pipeline.Frame, width, height int) (*Image, error) {
	src := f.Image()
	if src == nil {
		return nil, f.NoPixels()
	}
	return read(new(Image), src, bgr(width, height))
}

// Edit returns the picture in BGR, for writing. Nobody else sees what is
// written: if somebody does hold the same pixels, or if they are not BGR, f gets
// a picture of its own first. Your own earlier [View] is no such holder: where
// the picture is BGR already, after a stage that made or edited it for instance,
// the View shows the edit. Clone it if you need the old picture.
//
// The Mat has to stay what it is: a result of another size or type does not
// reach the frame. Make such a picture with [New] and Replace.
func Edit(f *pipeline.Frame) (*gocv.Mat, error) {
	img, err := f.Edit(writable, private)
	if err != nil {
		return nil, err
	}
	return img.(*Image).Mat(), nil // private and writable see to the type
}

func writable(img pipeline.Image) bool {
	m, ok := img.(*Image)
	return ok && m.format.Layout == pipeline.BGR24 && m.buffer.p != nil
}

func private(src pipeline.Image) (pipeline.Image, error) {
	format := src.Format()
	return read(framed.take(), src, bgr(format.Width, format.Height))
}

func formatOf(f *pipeline.Frame) (pipeline.Format, error) {
	img := f.Image()
	if img == nil {
		return pipeline.Format{}, f.NoPixels()
	}
	return img.Format(), nil
}

// view returns a header over f's picture in format to, which convert makes
// unless f is like that or somebody was here before.
func view(f *pipeline.Frame, to pipeline.Format, convert func(pipeline.Image, pipeline.Format) (*Image, error)) (*gocv.Mat, error) {
	m, err := viewImage(f, to, convert)
	if err != nil {
		return nil, err
	}
	return m.Mat(), nil
}

func viewImage(f *pipeline.Frame, to pipeline.Format, convert func(pipeline.Image, pipeline.Format) (*Image, error)) (*Image, error) {
	if m, ok := f.Image().(*Image); ok && m.format == to {
		return m, nil
	}
	img, err := f.View(to, func(src pipeline.Image) (pipeline.Image, error) {
		m, err := convert(src, to)
		if err != nil {
			return nil, err // never a typed nil
		}
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	m, ok := img.(*Image)
	if !ok {
		return nil, fmt.Errorf("mat: the view of %s is another package's (%T)", to, img)
	}
	return m, nil
}

// own is read for a frame.
func own(src pipeline.Image, to pipeline.Format) (*Image, error) { return read(framed.take(), src, to) }

// read converts src into memory from the pool, which m gets.
func read(m *Image, src pipeline.Image, to pipeline.Format) (*Image, error) {
	c, ok := src.(pipeline.Converter)
	if !ok {
		return nil, closing(m, fmt.Errorf("mat: %s (%T) cannot convert itself to %s", src.Format(), src, to))
	}
	if err := m.allocate(to); err != nil {
		return nil, closing(m, err)
	}
	if err := c.ConvertTo(m.p, m.stride, to); err != nil {
		return nil, closing(m, err)
	}
	return m, nil
}

// luma wraps the luma plane of src, or has one made. A wrapped plane is src's
// memory; a frame closes a view no later than the picture it was made of.
func luma(src pipeline.Image, to pipeline.Format) (*Image, error) {
	if p, ok := src.(pipeline.Planar); ok && hasLuma(src.Format().Layout) {
		at, stride := p.Plane(0)
		m := framed.take()
		m.format, m.p, m.stride = to, at, stride
		return m, nil
	}
	yuv := src.Format()
	yuv.Layout = pipeline.I420
	return lumaOf(src, yuv, to)
}

func lumaOf(src pipeline.Image, yuv, to pipeline.Format) (*Image, error) {
	c, ok := src.(pipeline.Converter)
	if !ok {
		return nil, fmt.Errorf("mat: %s (%T) cannot convert itself to %s", src.Format(), src, yuv)
	}
	stride := evenUp(yuv.Width)
	b, err := memory.take(stride*yuv.Height + stride*(evenUp(yuv.Height)/2))
	if err != nil {
		return nil, err
	}
	m := framed.take()
	m.format, m.p, m.stride, m.buffer = to, b.p, stride, b
	if err := c.ConvertTo(b.p, stride, yuv); err != nil {
		return nil, closing(m, err)
	}
	return m, nil
}

func hasLuma(l pipeline.Layout) bool {
	return l == pipeline.I420 || l == pipeline.NV12 || l == pipeline.Gray8
}

// isFull says that luma goes from 0 to 255.
func isFull(f pipeline.Format) bool { return f.Layout == pipeline.Gray8 || f.Range == pipeline.Full }

func gray(width, height int) pipeline.Format {
	return pipeline.Format{Layout: pipeline.Gray8, Width: width, Height: height, Range: pipeline.Full}
}
