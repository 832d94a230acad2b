package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ConvertTo implements pipeline.Converter, in one pass into dst itself where its
// rows are a multiple of a vector, as those of all common sizes are.
func (i *Image) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	if i.closed.Load() {
		return errClosed
	}
	if err := checkDestination(stride, to); err != nil {
		return fmt.Errorf("convert to %s: %w", to, err)
	}
	if to.Layout == pipeline.Gray8 {
		to.Matrix, to.Range = i.format.Matrix, pipeline.Full
	}
	if i.copyTo(dst, stride, to) {
		return nil
	}
	s := i.pool.takeScaler(i.conversion(to))
	if s == nil {
		return fmt.Errorf("convert %s to %s: not possible", i.format, to)
	}
	defer i.pool.putScaler(s)
	if C.rp_scaler_run(s.c, i.c, (*C.uint8_t)(dst), C.int(stride)) < 0 {
		return fmt.Errorf("convert %s to %s: swscale refuses", i.format, to)
	}
	return nil
}

func checkDestination(stride int, to pipeline.Format) error {
	if to.Width <= 0 || to.Height <= 0 {
		return errors.New("the size must be positive")
	}
	least := to.Width
	switch to.Layout {
	case pipeline.BGR24, pipeline.RGB24:
		least = 3 * to.Width
	case pipeline.I420, pipeline.NV12:
		least = (to.Width + 1) &^ 1
	case pipeline.Gray8:
	default:
		return errors.New("the layout is no destination")
	}
	if stride < least {
		return fmt.Errorf("the stride must be at least %d, got %d", least, stride)
	}
	return nil
}

// copyTo does without swscale where size and colour stay.
func (i *Image) copyTo(dst unsafe.Pointer, stride int, to pipeline.Format) bool {
	from := i.format
	if from.Width != to.Width || from.Height != to.Height {
		return false
	}
	planar := from.Layout == pipeline.I420 || from.Layout == pipeline.NV12
	if planar && to.Layout == pipeline.Gray8 {
		i.grayTo(dst, stride)
		return true
	}
	if !planar || from != to {
		return false
	}
	i.copyPlane(dst, stride, 0, to.Width, to.Height)
	chroma := unsafe.Add(dst, stride*to.Height)
	width, height := (to.Width+1)/2, (to.Height+1)/2
	if to.Layout == pipeline.NV12 {
		i.copyPlane(chroma, stride, 1, 2*width, height)
		return true
	}
	i.copyPlane(chroma, stride/2, 1, width, height)
	i.copyPlane(unsafe.Add(chroma, stride/2*height), stride/2, 2, width, height)
	return true
}

func (i *Image) copyPlane(dst unsafe.Pointer, stride, n, width, height int) {
	C.rp_copy_plane((*C.uint8_t)(dst), C.int(stride), (*C.uint8_t)(i.c.data[n]), i.c.linesize[n], C.int(width), C.int(height))
}

func (i *Image) grayTo(dst unsafe.Pointer, stride int) {
	if i.format.Range == pipeline.Full {
		i.copyPlane(dst, stride, 0, i.format.Width, i.format.Height)
		return
	}
	C.rp_expand_luma((*C.uint8_t)(dst), C.int(stride), (*C.uint8_t)(i.c.data[0]), i.c.linesize[0], i.c.width, i.c.height)
}

func (i *Image) conversion(to pipeline.Format) C.rp_conversion {
	return C.rp_conversion{
		src_format:     i.c.format,
		src_width:      i.c.width,
		src_height:     i.c.height,
		src_colorspace: colorspace(i.format.Matrix),
		src_full:       full(i.format.Range),
		dst_format:     pixelFormat(to.Layout),
		dst_width:      C.int(to.Width),
		dst_height:     C.int(to.Height),
		dst_colorspace: colorspace(to.Matrix),
		dst_full:       full(to.Range),
	}
}

func pixelFormat(l pipeline.Layout) C.int {
	switch l {
	case pipeline.I420:
		return C.AV_PIX_FMT_YUV420P
	case pipeline.NV12:
		return C.AV_PIX_FMT_NV12
	case pipeline.BGR24:
		return C.AV_PIX_FMT_BGR24
	case pipeline.RGB24:
		return C.AV_PIX_FMT_RGB24
	case pipeline.Gray8:
		return C.AV_PIX_FMT_GRAY8
	case pipeline.LayoutUnknown, pipeline.Opaque:
	}
	return C.AV_PIX_FMT_NONE
}

func colorspace(m pipeline.Matrix) C.int {
	switch m {
	case pipeline.BT709:
		return C.SWS_CS_ITU709
	case pipeline.BT2020:
		return C.SWS_CS_BT2020
	case pipeline.BT601:
	}
	return C.SWS_CS_ITU601
}

func full(r pipeline.Range) C.int {
	if r == pipeline.Full {
		return 1
	}
	return 0
}
