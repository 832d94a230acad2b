package ffmpeg

/*
#cgo LDFLAGS: -lm
#include "native.h"
#include "audio.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
)

// Opus is always of 48 kHz; RFC 7587 has receivers decode to two channels, in
// which mono comes out twice.
const (
	opusRate     = 48_000
	opusChannels = 2
)

// soundDecoder is libavcodec's.
type soundDecoder struct {
	ctx     *astiav.CodecContext
	pkt     *astiav.Packet
	frame   *astiav.Frame
	samples []int16
}

var _ decode.SoundDecoder = (*soundDecoder)(nil)

// NewSoundDecoder returns a decoder for a codec of audio: Opus.
func NewSoundDecoder(codec decode.Codec) (decode.SoundDecoder, error) {
	if codec != decode.Opus {
		return nil, fmt.Errorf("codec: must be opus, got %q", string(codec))
	}
	found := astiav.FindDecoder(astiav.CodecIDOpus)
	if found == nil {
		return nil, errors.New("this build of FFmpeg has no decoder for opus")
	}
	d := &soundDecoder{ctx: astiav.AllocCodecContext(found), pkt: astiav.AllocPacket(), frame: astiav.AllocFrame()}
	C.rp_set_channels(contextOf(d.ctx), opusRate, opusChannels)
	if err := d.ctx.Open(found, nil); err != nil {
		d.Close()
		return nil, fmt.Errorf("opus: %w", err)
	}
	return d, nil
}

// DecodeSound implements decode.SoundDecoder.
func (d *soundDecoder) DecodeSound(au *decode.AccessUnit) (decode.Sound, error) {
	out := decode.Sound{
		PTS: au.PTS, Arrival: au.Arrival, SenderTime: au.SenderTime, Rate: opusRate, Channels: opusChannels,
	}
	if len(au.Data) == 0 {
		return out, nil
	}
	err := check(C.rp_send(contextOf(d.ctx), packetOf(d.pkt),
		(*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(au.Data))), C.int(len(au.Data)), 0, 1))
	if err != nil {
		return out, fmt.Errorf("decode opus: %w", err)
	}
	d.samples = d.samples[:0]
	for {
		ret := C.avcodec_receive_frame(contextOf(d.ctx), frameOf(d.frame))
		if ret == again || ret == C.AVERROR_EOF {
			break
		}
		if ret < 0 {
			return out, fmt.Errorf("decode opus: %w", check(ret))
		}
		if err := d.take(frameOf(d.frame)); err != nil {
			return out, err
		}
		d.frame.Unref()
	}
	out.Samples = d.samples
	return out, nil
}

// take appends a frame's samples.
func (d *soundDecoder) take(f *C.AVFrame) error {
	channels := int(f.ch_layout.nb_channels)
	if channels != opusChannels || f.sample_rate != opusRate || f.nb_samples <= 0 {
		return fmt.Errorf("decode opus: got %d channels at %d Hz", channels, int(f.sample_rate))
	}
	start, n := len(d.samples), int(f.nb_samples)*channels
	d.samples = append(d.samples, make([]int16, n)...)
	if C.rp_samples(f, (*C.int16_t)(unsafe.Pointer(&d.samples[start]))) < 0 {
		return errors.New("decode opus: samples of an unknown format")
	}
	return nil
}

// Close frees the decoder.
func (d *soundDecoder) Close() error {
	if d.ctx == nil {
		return nil
	}
	d.ctx.Free()
	d.pkt.Free()
	d.frame.Free()
	d.ctx = nil
	return nil
}
