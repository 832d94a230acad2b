package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Image is a decoded picture as the decoder left it. Clones share the pixels,
// which nobody writes to. Its methods may be called from several goroutines at
// once, Close from one and last.
type Image struct {
	frame  *astiav.Frame
	c      *C.AVFrame // of frame
	format pipeline.Format
	pool   *pool
	closed atomic.Bool
}

var (
	_ pipeline.Planar    = (*Image)(nil)
	_ pipeline.Converter = (*Image)(nil)
)

// open takes note of what came into the frame.
func (i *Image) open() {
	i.format = formatOf(i.c)
	i.closed.Store(false)
}

func formatOf(f *C.AVFrame) pipeline.Format {
	out := pipeline.Format{Layout: pipeline.Opaque, Width: int(f.width), Height: int(f.height)}
	full := f.color_range == C.AVCOL_RANGE_JPEG
	switch f.format {
	case C.AV_PIX_FMT_YUV420P:
		out.Layout = pipeline.I420
	case C.AV_PIX_FMT_YUVJ420P:
		out.Layout, full = pipeline.I420, true
	case C.AV_PIX_FMT_NV12:
		out.Layout = pipeline.NV12
	case C.AV_PIX_FMT_BGR24:
		out.Layout = pipeline.BGR24
	case C.AV_PIX_FMT_RGB24:
		out.Layout = pipeline.RGB24
	}
	switch f.colorspace {
	case C.AVCOL_SPC_BT709:
		out.Matrix = pipeline.BT709
	case C.AVCOL_SPC_BT2020_NCL, C.AVCOL_SPC_BT2020_CL:
		out.Matrix = pipeline.BT2020
	}
	if full {
		out.Range = pipeline.Full
	}
	return out
}

// Format implements pipeline.Image. Colour that the stream does not declare is
// BT.601, limited.
func (i *Image) Format() pipeline.Format { return i.format }

// Plane implements pipeline.Planar.
func (i *Image) Plane(n int) (unsafe.Pointer, int) {
	if n < 0 || n >= len(i.c.data) {
		return nil, 0
	}
	return unsafe.Pointer(i.c.data[n]), int(i.c.linesize[n])
}

// Clone returns an image of the same pixels, without copying them.
func (i *Image) Clone() (pipeline.Image, error) {
	if i.closed.Load() {
		return nil, errClosed
	}
	out := i.pool.get()
	if err := out.frame.Ref(i.frame); err != nil {
		i.pool.put(out)
		return nil, fmt.Errorf("clone the image: %w", err)
	}
	out.open()
	return out, nil
}

var errClosed = errors.New("the image is closed")

// Close gives the picture's memory back to the decoder.
func (i *Image) Close() error {
	if !i.closed.CompareAndSwap(false, true) {
		return errClosed
	}
	i.pool.put(i)
	return nil
}
