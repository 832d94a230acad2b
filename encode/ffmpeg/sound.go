package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/encode"
)

// SoundEncoder is libopus, told to make packets of [encode.SoundLength].
type SoundEncoder struct {
	ctx   *astiav.CodecContext
	frame *astiav.Frame
	pkt   *astiav.Packet
	next  int64 // the first sample of the next packet
}

var _ encode.SoundEncoder = (*SoundEncoder)(nil)

// NewSoundEncoder returns an encoder of stereo Opus that aims at a bitrate in
// bit/s.
func NewSoundEncoder(bitrate int) (*SoundEncoder, error) {
	codec := astiav.FindEncoderByName("libopus")
	if codec == nil {
		return nil, errors.New("this build of FFmpeg has no libopus")
	}
	e := &SoundEncoder{ctx: astiav.AllocCodecContext(codec), frame: astiav.AllocFrame(), pkt: astiav.AllocPacket()}
	if err := e.open(codec, bitrate); err != nil {
		e.Close()
		return nil, fmt.Errorf("opus: %w", err)
	}
	return e, nil
}

func (e *SoundEncoder) open(codec *astiav.Codec, bitrate int) error {
	e.ctx.SetSampleRate(encode.SoundRate)
	e.ctx.SetChannelLayout(astiav.ChannelLayoutStereo)
	e.ctx.SetSampleFormat(astiav.SampleFormatS16)
	e.ctx.SetTimeBase(astiav.NewRational(1, encode.SoundRate))
	e.ctx.SetBitRate(int64(bitrate))
	options := astiav.NewDictionary()
	defer options.Free()
	if err := options.Set("frame_duration", strconv.Itoa(int(encode.SoundLength/time.Millisecond)), 0); err != nil {
		return err
	}
	if err := e.ctx.Open(codec, options); err != nil {
		return err
	}
	e.frame.SetNbSamples(encode.SoundSamples)
	e.frame.SetSampleFormat(astiav.SampleFormatS16)
	e.frame.SetSampleRate(encode.SoundRate)
	e.frame.SetChannelLayout(astiav.ChannelLayoutStereo)
	return e.frame.AllocBuffer(0)
}

// EncodeSound implements encode.SoundEncoder.
func (e *SoundEncoder) EncodeSound(samples []int16) ([]byte, error) {
	const want = encode.SoundSamples * encode.SoundChannels
	if len(samples) != want {
		return nil, fmt.Errorf("encode opus: must be %d samples, got %d", want, len(samples))
	}
	if err := check(C.av_frame_make_writable(frameOf(e.frame))); err != nil {
		return nil, fmt.Errorf("encode opus: %w", err)
	}
	copy(unsafe.Slice((*int16)(unsafe.Pointer(frameOf(e.frame).data[0])), want), samples)
	e.frame.SetPts(e.next)
	e.next += int64(encode.SoundSamples)
	if err := e.ctx.SendFrame(e.frame); err != nil {
		return nil, fmt.Errorf("encode opus: %w", err)
	}
	e.pkt.Unref()
	if err := check(C.avcodec_receive_packet(contextOf(e.ctx), packetOf(e.pkt))); err != nil {
		return nil, fmt.Errorf("encode opus: %w", err)
	}
	p := packetOf(e.pkt)
	return unsafe.Slice((*byte)(unsafe.Pointer(p.data)), int(p.size)), nil
}

// Close frees the encoder. What it has looked ahead at is lost.
func (e *SoundEncoder) Close() error {
	if e.ctx == nil {
		return nil
	}
	if e.next > 0 && e.ctx.SendFrame(nil) == nil { // or it complains
		for e.ctx.ReceivePacket(e.pkt) == nil {
			e.pkt.Unref()
		}
	}
	e.ctx.Free()
	e.frame.Free()
	e.pkt.Free()
	e.ctx = nil
	return nil
}
