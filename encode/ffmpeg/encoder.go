package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ticksPerSecond is the encoders' time base.
const ticksPerSecond = 1_000_000

// Encoder encodes one stream. What it writes, and tags, is BT.601 limited.
type Encoder struct {
	cfg    encode.Config
	device decode.Device
	ctx    *astiav.CodecContext
	frame  *astiav.Frame // the input, reused
	pkt    *astiav.Packet
	held   []*astiav.Packet // what out points to
	out    []encode.Packet

	started  bool
	keyframe time.Duration // PTS of the last one asked for
	last     int64         // ticks of the last picture
	reopen   bool          // a bitrate waits for the next keyframe
}

var _ encode.Encoder = (*Encoder)(nil)

// New returns an encoder for cfg: on its device where that can encode a picture,
// in software where it cannot or comes to fail.
func New(cfg encode.Config) (encode.Encoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Device.Software() {
		return newEncoder(cfg, decode.CPU)
	}
	return encode.NewFailover(encode.FailoverConfig{
		Devices: []decode.Device{hardware(cfg.Device)}, Require: cfg.Require, OnSoftware: cfg.OnSoftware,
		Open: func(device decode.Device) (encode.Encoder, error) {
			if err := probe(cfg, device); err != nil {
				return nil, err
			}
			return newEncoder(cfg, device)
		},
	})
}

// newEncoder returns an encoder on exactly that device.
func newEncoder(cfg encode.Config, device decode.Device) (*Encoder, error) {
	e := &Encoder{cfg: cfg, device: device, frame: astiav.AllocFrame(), pkt: astiav.AllocPacket()}
	if err := e.open(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// open sets ctx, unless it fails.
func (e *Encoder) open() error {
	name, err := encoderOf(e.cfg.Codec, e.device)
	if err != nil {
		return err
	}
	codec := astiav.FindEncoderByName(name)
	if codec == nil {
		return fmt.Errorf("this build of FFmpeg has no %s", name)
	}
	ctx := astiav.AllocCodecContext(codec)
	ctx.SetWidth(e.cfg.Width)
	ctx.SetHeight(e.cfg.Height)
	ctx.SetPixelFormat(astiav.PixelFormatYuv420P)
	ctx.SetTimeBase(astiav.NewRational(1, ticksPerSecond))
	ctx.SetFramerate(astiav.NewRational(int(math.Round(e.cfg.FPS*1000)), 1000))
	contextOf(ctx).ticks_per_frame = C.int(math.Round(ticksPerSecond / e.cfg.FPS)) // libvpx's idea of a first picture's share
	options := astiav.NewDictionary()
	defer options.Free()
	s := settings(e.cfg, e.device)
	for i := 0; i < len(s); i += 2 {
		err = errors.Join(err, options.Set(s[i], s[i+1], 0))
	}
	if err == nil {
		err = ctx.Open(codec, options)
	}
	if err != nil {
		ctx.Free()
		return e.blame(fmt.Errorf("%s: %w", name, err))
	}
	e.ctx = ctx
	return nil
}

// Encode implements encode.Encoder. The image must be a pipeline.Converter.
func (e *Encoder) Encode(img pipeline.Image, pts time.Duration, keyframe bool) ([]encode.Packet, error) {
	e.release()
	keyframe = keyframe || !e.started || e.due(pts)
	ticks := pts.Microseconds()
	if e.started && ticks <= e.last {
		return nil, fmt.Errorf("pts must grow: got %s after %s", pts, time.Duration(e.last)*time.Microsecond)
	}
	if keyframe && e.reopen {
		if err := e.restart(); err != nil {
			return nil, err
		}
	}
	if img != nil {
		if err := e.fill(img); err != nil {
			return nil, err
		}
	} else if !e.started {
		return nil, fmt.Errorf("encode %s: there is no picture yet", e.cfg.Codec)
	}
	e.frame.SetPts(ticks)
	e.frame.SetPictureType(astiav.PictureTypeNone)
	if keyframe {
		e.frame.SetPictureType(astiav.PictureTypeI)
		e.keyframe = pts
	}
	if err := e.ctx.SendFrame(e.frame); err != nil {
		return nil, e.blame(fmt.Errorf("encode %s: %w", e.cfg.Codec, err))
	}
	e.started, e.last = true, ticks
	return e.receive()
}

// due says that the longest time between keyframes has passed.
func (e *Encoder) due(pts time.Duration) bool {
	return e.cfg.KeyframeInterval > 0 && pts-e.keyframe >= e.cfg.KeyframeInterval
}

// fill converts img into the encoder's frame.
func (e *Encoder) fill(img pipeline.Image) error {
	from, ok := img.(pipeline.Converter)
	if !ok {
		return fmt.Errorf("encode %s: a %T does not convert itself", e.cfg.Codec, img)
	}
	f := frameOf(e.frame)
	if err := check(C.rp_writable_i420(f, C.int(e.cfg.Width), C.int(e.cfg.Height))); err != nil {
		return err
	}
	to := pipeline.Format{Layout: pipeline.I420, Width: e.cfg.Width, Height: e.cfg.Height}
	return from.ConvertTo(unsafe.Pointer(f.data[0]), int(f.linesize[0]), to)
}

func (e *Encoder) receive() ([]encode.Packet, error) {
	for {
		ret := C.avcodec_receive_packet(contextOf(e.ctx), packetOf(e.pkt))
		if ret == again || ret == C.AVERROR_EOF {
			return e.out, nil
		}
		if ret < 0 {
			return e.out, e.blame(fmt.Errorf("encode %s: %w", e.cfg.Codec, check(ret)))
		}
		e.hold()
	}
}

// again is FFmpeg's word for more input, please.
const again = -C.EAGAIN

// hold puts the packet received into out, and keeps its memory.
func (e *Encoder) hold() {
	n := len(e.out)
	if n == len(e.held) {
		e.held = append(e.held, astiav.AllocPacket())
	}
	e.held[n].MoveRef(e.pkt)
	p := packetOf(e.held[n])
	e.out = append(e.out, encode.Packet{
		Data:     unsafe.Slice((*byte)(unsafe.Pointer(p.data)), int(p.size)),
		PTS:      time.Duration(p.pts) * (time.Second / ticksPerSecond),
		Keyframe: p.flags&C.AV_PKT_FLAG_KEY != 0,
	})
}

// release gives up the packets of the last call.
func (e *Encoder) release() {
	for i := range e.out {
		e.held[i].Unref()
	}
	e.out = e.out[:0]
}

// SetBitrate implements encode.Encoder. x264 follows at once, unless it was
// made to aim at a quality; libvpx and libaom, which FFmpeg cannot change, begin
// anew at the next keyframe.
func (e *Encoder) SetBitrate(bps int) error {
	if bps <= 0 {
		return fmt.Errorf("bitrate: must be positive, got %d", bps)
	}
	if e.cfg.Codec != decode.H264 {
		e.reopen = e.reopen || bps != e.cfg.Bitrate
		e.cfg.Bitrate = bps
		return nil
	}
	if e.cfg.Bitrate == 0 {
		return encode.ErrFixedBitrate
	}
	e.cfg.Bitrate = bps
	e.ctx.SetBitRate(int64(bps))
	c := contextOf(e.ctx)
	c.rc_max_rate = C.int64_t(bps)
	c.rc_buffer_size = C.int(bufferSize(bps))
	return nil
}

// restart begins anew with the current settings. If that fails the encoder
// stays what it was, and the next keyframe tries again.
func (e *Encoder) restart() error {
	old := e.ctx
	if err := e.open(); err != nil {
		return err
	}
	old.Free()
	e.reopen = false
	return nil
}

// Flush implements encode.Encoder.
func (e *Encoder) Flush() ([]encode.Packet, error) {
	e.release()
	if err := e.ctx.SendFrame(nil); err != nil && !errors.Is(err, astiav.ErrEof) {
		return nil, fmt.Errorf("flush %s: %w", e.cfg.Codec, err)
	}
	return e.receive()
}

// Close frees the encoder and its packets.
func (e *Encoder) Close() error {
	if e.frame == nil {
		return nil
	}
	if e.ctx != nil {
		e.ctx.Free()
		e.ctx = nil
	}
	for _, p := range e.held {
		p.Free()
	}
	e.out, e.held = nil, nil
	e.pkt.Free()
	e.frame.Free()
	e.frame = nil
	return nil
}
