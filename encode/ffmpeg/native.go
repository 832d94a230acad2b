package ffmpeg

/*
#cgo pkg-config: libavcodec libavutil
#include "native.h"
*/
import "C"

import (
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

func frameOf(f *astiav.Frame) *C.AVFrame {
	return (*C.AVFrame)(f.UnsafePointer())
}

func check(ret C.int) error {
	if ret >= 0 {
		return nil
	}
	return astiav.Error(ret)
}
