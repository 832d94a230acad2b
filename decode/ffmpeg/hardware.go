package ffmpeg

/*
#include <stdlib.h>
#include "native.h"
#include "hardware.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
)

// hardware is the device of a decoder. Its pictures come to the host as soon as
// they are decoded, and once: a device has few surfaces, and one that waits in
// the graph would stop it.
type hardware struct {
	c       *C.rp_hardware
	surface *astiav.Frame // the picture that is on the device
	stuck   bool          // it did not come to the host
}

// Devices returns the kinds of hardware on which this build of FFmpeg decodes,
// in the order in which decode.Auto tries them.
func Devices() []decode.Device {
	return slices.DeleteFunc(kinds(), func(d decode.Device) bool {
		return !slices.ContainsFunc(decode.Codecs(), func(c decode.Codec) bool {
			id, err := codecID(c)
			return err == nil && hardwareDecoder(id, d) != nil
		})
	})
}

func kinds() []decode.Device {
	names := decode.DeviceKinds()
	out := make([]decode.Device, len(names))
	for i, name := range names {
		out[i] = decode.Device(name)
	}
	return out
}

// hardwareDecoder returns nil where the build has none.
func hardwareDecoder(id astiav.CodecID, device decode.Device) *astiav.Codec {
	kind, _ := device.Split()
	t := typeOf(kind)
	if t == C.AV_HWDEVICE_TYPE_NONE {
		return nil
	}
	c := C.rp_hardware_decoder(C.enum_AVCodecID(id), t)
	if c == nil {
		return nil
	}
	return astiav.FindDecoderByName(C.GoString(c.name))
}

// typeOf returns AV_HWDEVICE_TYPE_NONE for what the build does not have.
func typeOf(kind string) C.enum_AVHWDeviceType {
	for t := C.av_hwdevice_iterate_types(C.AV_HWDEVICE_TYPE_NONE); t != C.AV_HWDEVICE_TYPE_NONE; t = C.av_hwdevice_iterate_types(t) {
		if C.GoString(C.av_hwdevice_get_type_name(t)) == kind {
			return t
		}
	}
	return C.AV_HWDEVICE_TYPE_NONE
}

// openHardware opens a device for a decoder that uses it. That it can decode is not known
// before it has.
func openHardware(device decode.Device, codec *astiav.Codec) (*hardware, error) {
	kind, which := device.Split()
	t := typeOf(kind)
	var name *C.char
	if which != "" {
		name = C.CString(which)
		defer C.free(unsafe.Pointer(name))
	}
	surface := C.rp_hardware_surface(codecOfAstiav(codec), t)
	h := &hardware{c: C.rp_hardware_new(surface), surface: astiav.AllocFrame()}
	if err := check(C.rp_hardware_open(h.c, t, name)); err != nil {
		h.close()
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	return h, nil
}

// attach makes ctx, which is not open yet, decode on the device.
func (h *hardware) attach(ctx *astiav.CodecContext) error {
	return check(C.rp_hardware_attach(h.c, contextOf(ctx)))
}

// receive brings the next picture to the host.
func (h *hardware) receive(ctx *astiav.CodecContext, img *Image) C.int {
	on := frameOf(h.surface)
	ret := C.avcodec_receive_frame(contextOf(ctx), on)
	if ret < 0 {
		return ret
	}
	ret = C.rp_hardware_download(img.c, on)
	h.stuck = ret < 0
	h.surface.Unref()
	return ret
}

// errRefused is what a device makes of a profile or size that it does not know.
var errRefused = errors.New("the device does not take this stream")

// blame tells errors of the device from those of the stream.
func (h *hardware) blame(err error) error {
	switch {
	case h.c.refused != 0:
		h.c.refused = 0
		return errRefused
	case h.stuck:
	case errors.Is(err, astiav.ErrInvaliddata), errors.Is(err, astiav.ErrPatchwelcome), errors.Is(err, astiav.Error(-C.EINVAL)):
		return err
	}
	return fmt.Errorf("%w: %w", decode.ErrDevice, err)
}

func (h *hardware) close() {
	if h == nil {
		return
	}
	h.surface.Free()
	C.rp_hardware_close(h.c)
}
