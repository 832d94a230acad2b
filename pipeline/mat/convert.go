package mat

import (
	"fmt"
	"image"
	"image/color"
	"unsafe"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ConvertTo writes the picture in another layout and size: see
// [pipeline.Converter]. I420 and NV12 are BT.601, limited range.
func (m *Image) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	src, err := wrap(m.p, m.format.Height, m.format.Width, matType(m.format.Layout), m.stride)
	if err != nil {
		return err
	}
	defer src.Close()
	if to.Width == m.format.Width && to.Height == m.format.Height {
		return convert(&src, m.format.Layout, dst, stride, to)
	}
	if to.Layout == m.format.Layout {
		return resizeInto(&src, dst, stride, to)
	}
	small, err := allocate(pipeline.Format{Layout: m.format.Layout, Width: to.Width, Height: to.Height})
	if err != nil {
		return err
	}
	defer small.Close()
	if err := resize(&src, small.Mat()); err != nil {
		return err
	}
	return convert(small.Mat(), m.format.Layout, dst, stride, to)
}

func resizeInto(src *gocv.Mat, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	out, err := wrap(dst, to.Height, to.Width, matType(to.Layout), stride)
	if err != nil {
		return err
	}
	defer out.Close()
	return resize(src, &out)
}

// resize fills dst, whose size is the new one. Area averaging is the method
// that does not make patterns when a picture gets smaller.
func resize(src, dst *gocv.Mat) error {
	how := gocv.InterpolationLinear
	if dst.Cols() < src.Cols() && dst.Rows() < src.Rows() {
		how = gocv.InterpolationArea
	}
	return gocv.Resize(*src, dst, image.Pt(dst.Cols(), dst.Rows()), 0, 0, how)
}

// convert writes src, which has the right size already.
func convert(src *gocv.Mat, from pipeline.Layout, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	switch to.Layout {
	case pipeline.BGR24, pipeline.RGB24, pipeline.Gray8:
		return toPacked(src, from, dst, stride, to)
	case pipeline.I420, pipeline.NV12:
		if from == pipeline.Gray8 {
			return grayToPlanar(src, dst, stride, to)
		}
		return toPlanar(src, dst, stride, to)
	}
	return fmt.Errorf("mat: %s cannot be converted to %s", from, to)
}

func toPacked(src *gocv.Mat, from pipeline.Layout, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	out, err := wrap(dst, to.Height, to.Width, matType(to.Layout), stride)
	if err != nil {
		return err
	}
	defer out.Close()
	switch {
	case from == to.Layout:
		return src.CopyTo(&out)
	case from == pipeline.Gray8:
		return gocv.CvtColor(*src, &out, gocv.ColorGrayToBGR)
	case to.Layout == pipeline.Gray8:
		return gocv.CvtColor(*src, &out, gocv.ColorBGRToGray)
	}
	return gocv.CvtColor(*src, &out, gocv.ColorBGRToRGB)
}

func grayToPlanar(src *gocv.Mat, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	colored, err := allocate(bgr(to.Width, to.Height))
	if err != nil {
		return err
	}
	defer colored.Close()
	m := colored.Mat()
	if err := gocv.CvtColor(*src, m, gocv.ColorGrayToBGR); err != nil {
		return err
	}
	return toPlanar(m, dst, stride, to)
}

// toPlanar writes the BGR picture src.
func toPlanar(src *gocv.Mat, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	if to.Matrix != pipeline.BT601 || to.Range != pipeline.Limited {
		return fmt.Errorf("mat: %s is only made in BT.601, limited range", to)
	}
	if stride < evenUp(to.Width) {
		return fmt.Errorf("mat: rows of %d bytes are too short for %s", stride, to)
	}
	// OpenCV packs the chroma rows one after the other, which is what I420
	// looks like when luma rows have no gaps.
	if to.Layout == pipeline.I420 && stride == to.Width && to.Height%2 == 0 {
		return toTightI420(src, dst, to.Width, to.Height)
	}
	return toLooseYUV(src, dst, stride, to)
}

// toTightI420 writes I420 without gaps between rows. Width and height are even.
func toTightI420(src *gocv.Mat, dst unsafe.Pointer, width, height int) error {
	out, err := wrap(dst, height+height/2, width, gocv.MatTypeCV8UC1, width)
	if err != nil {
		return err
	}
	defer out.Close()
	return gocv.CvtColor(*src, &out, gocv.ColorBGRToYUVI420)
}

// toLooseYUV goes over a tight I420 picture of even size, to which the last
// column and row are repeated.
func toLooseYUV(src *gocv.Mat, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	w, h := evenUp(to.Width), evenUp(to.Height)
	if w != to.Width || h != to.Height {
		padded, err := allocate(bgr(w, h))
		if err != nil {
			return err
		}
		defer padded.Close()
		m := padded.Mat()
		if err := gocv.CopyMakeBorder(*src, m, 0, h-to.Height, 0, w-to.Width, gocv.BorderReplicate, color.RGBA{}); err != nil {
			return err
		}
		src = m
	}
	tight, err := allocate(pipeline.Format{Layout: pipeline.Gray8, Width: w, Height: h + h/2})
	if err != nil {
		return err
	}
	defer tight.Close()
	if err := toTightI420(src, tight.p, w, h); err != nil {
		return err
	}
	return spread(tight.p, w, h, dst, stride, to)
}

// spread copies the planes of a tight I420 picture of w×h to where rows have
// stride bytes.
func spread(tight unsafe.Pointer, w, h int, dst unsafe.Pointer, stride int, to pipeline.Format) error {
	if err := copyPlane(tight, w, dst, stride, to.Width, to.Height); err != nil {
		return err
	}
	u, v := unsafe.Add(tight, w*h), unsafe.Add(tight, w*h+w/2*(h/2))
	chroma := unsafe.Add(dst, stride*to.Height)
	if to.Layout == pipeline.NV12 {
		return interleave(u, v, w/2, h/2, chroma, stride)
	}
	if err := copyPlane(u, w/2, chroma, stride/2, w/2, h/2); err != nil {
		return err
	}
	return copyPlane(v, w/2, unsafe.Add(chroma, stride/2*(h/2)), stride/2, w/2, h/2)
}

func copyPlane(src unsafe.Pointer, srcStride int, dst unsafe.Pointer, dstStride, width, height int) error {
	in, err := wrap(src, height, width, gocv.MatTypeCV8UC1, srcStride)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := wrap(dst, height, width, gocv.MatTypeCV8UC1, dstStride)
	if err != nil {
		return err
	}
	defer out.Close()
	return in.CopyTo(&out)
}

func interleave(u, v unsafe.Pointer, width, height int, dst unsafe.Pointer, stride int) error {
	us, err := wrap(u, height, width, gocv.MatTypeCV8UC1, width)
	if err != nil {
		return err
	}
	defer us.Close()
	vs, err := wrap(v, height, width, gocv.MatTypeCV8UC1, width)
	if err != nil {
		return err
	}
	defer vs.Close()
	out, err := wrap(dst, height, width, gocv.MatTypeCV8UC2, stride)
	if err != nil {
		return err
	}
	defer out.Close()
	return gocv.Merge([]gocv.Mat{us, vs}, &out)
}

// evenUp returns n as memory with halved chroma takes it: an odd picture gets
// room for another column or row. Contrast encode.EvenDown.
func evenUp(n int) int { return n + n&1 }

func bgr(width, height int) pipeline.Format {
	return pipeline.Format{Layout: pipeline.BGR24, Width: width, Height: height}
}
