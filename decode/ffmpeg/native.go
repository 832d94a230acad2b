package ffmpeg

/*
#cgo pkg-config: libavcodec libavformat libavutil libswscale
#cgo CFLAGS: -O3
#include "native.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/asticode/go-astiav"
)

// go-astiav offers no accessor for what these wrap; they keep the pointer in
// their first field.

func contextOf(cc *astiav.CodecContext) *C.AVCodecContext {
	return *(**C.AVCodecContext)(unsafe.Pointer(cc))
}

func packetOf(p *astiav.Packet) *C.AVPacket {
	return *(**C.AVPacket)(unsafe.Pointer(p))
}

func filterOf(f *astiav.BitStreamFilterContext) *C.AVBSFContext {
	return *(**C.AVBSFContext)(unsafe.Pointer(f))
}

func codecOfAstiav(c *astiav.Codec) *C.AVCodec {
	return *(**C.AVCodec)(unsafe.Pointer(c))
}

func frameOf(f *astiav.Frame) *C.AVFrame {
	return (*C.AVFrame)(f.UnsafePointer())
}

// Silence turns off what FFmpeg's libraries print to standard error, for the
// whole process. What matters of it comes back as errors.
func Silence() { astiav.SetLogLevel(astiav.LogLevelQuiet) }

// set puts options into d; FFmpeg checks them when d is used.
func set(d *astiav.Dictionary, options ...string) error {
	for i := 0; i+1 < len(options); i += 2 {
		if err := d.Set(options[i], options[i+1], 0); err != nil {
			return fmt.Errorf("option %s: %w", options[i], err)
		}
	}
	return nil
}
