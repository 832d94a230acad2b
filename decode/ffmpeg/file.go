package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
)

// File reads the access units of a file's video, in decoding order.
type File struct {
	path   string
	ctx    *astiav.FormatContext
	opened bool // ctx has an input
	stream *astiav.Stream
	filter *astiav.BitStreamFilterContext // nil: units are as they should be
	pkt    *astiav.Packet
	unit   decode.AccessUnit

	codec     decode.Codec
	timeBase  astiav.Rational
	start     int64 // of the stream, in its time base
	next      time.Duration
	frameTime time.Duration
	ended     bool // everything is read, the filter may hold some
}

// OpenFile opens a file of any container that FFmpeg reads.
func OpenFile(path string) (*File, error) {
	f := &File{path: path, pkt: astiav.AllocPacket()}
	if err := f.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return f, nil
}

func (f *File) open() error {
	f.ctx = astiav.AllocFormatContext()
	f.ctx.SetFlags(astiav.NewFormatContextFlags(astiav.FormatContextFlagGenPts)) // avi has none
	if err := f.ctx.OpenInput("file:"+f.path, nil, nil); err != nil {
		return system(err)
	}
	f.opened = true
	if err := f.ctx.FindStreamInfo(nil); err != nil {
		return err
	}
	if f.stream = first(f.ctx, astiav.MediaTypeVideo); f.stream == nil {
		return errors.New("there is no video in it")
	}
	f.codec = codecOf(f.stream.CodecParameters().CodecID())
	f.timeBase = f.stream.TimeBase()
	if start := f.stream.StartTime(); start != C.AV_NOPTS_VALUE {
		f.start = start
	}
	f.frameTime = time.Duration(float64(time.Second) / f.FPS())
	return f.openFilter()
}

// first returns the first stream of a type, or nil.
func first(ctx *astiav.FormatContext, kind astiav.MediaType) *astiav.Stream {
	for _, s := range ctx.Streams() {
		if s.CodecParameters().MediaType() == kind {
			return s
		}
	}
	return nil
}

// codecOf returns the codec's name in our table, FFmpeg's where it is not in it.
func codecOf(id astiav.CodecID) decode.Codec {
	for _, c := range decode.Codecs() {
		if known, err := codecID(c); err == nil && known == id {
			return c
		}
	}
	return decode.Codec(id.Name())
}

// openFilter brings H.264 and H.265 into Annex B form.
func (f *File) openFilter() error {
	var name string
	switch f.codec {
	case decode.H264:
		name = "h264_mp4toannexb"
	case decode.H265:
		name = "hevc_mp4toannexb"
	default:
		return nil
	}
	filter := astiav.FindBitStreamFilterByName(name)
	if filter == nil {
		return fmt.Errorf("this build of FFmpeg has no %s", name)
	}
	ctx, err := astiav.AllocBitStreamFilterContext(filter)
	if err != nil {
		return err
	}
	f.filter = ctx
	if err := f.stream.CodecParameters().Copy(ctx.InputCodecParameters()); err != nil {
		return err
	}
	ctx.SetInputTimeBase(f.timeBase)
	return ctx.Initialize()
}

// Codec returns the codec's name: one of decode's, or FFmpeg's for others,
// which the decoder of NewDecoder knows as well.
func (f *File) Codec() decode.Codec { return f.codec }

// Size returns the picture's size in pixels as the container declares it.
func (f *File) Size() (width, height int) {
	p := f.stream.CodecParameters()
	return p.Width(), p.Height()
}

// FPS returns the average rate; 25 where the file does not say.
func (f *File) FPS() float64 {
	for _, r := range []astiav.Rational{f.stream.AvgFrameRate(), f.stream.RFrameRate()} {
		if r.Num() > 0 && r.Den() > 0 {
			return float64(r.Num()) / float64(r.Den())
		}
	}
	return 25
}

// Duration returns the file's length, 0 where that is not known.
func (f *File) Duration() time.Duration {
	return max(0, time.Duration(f.ctx.Duration())*time.Microsecond)
}

// NewDecoder returns a decoder for the file's units, closed before the
// file is. Its Codec and Reorder are the file's.
func (f *File) NewDecoder(cfg Config) (decode.Decoder, error) {
	cfg.Codec, cfg.Reorder, cfg.id = f.codec, true, f.stream.CodecParameters().CodecID()
	if f.filter == nil { // otherwise the parameter sets are in the units
		cfg.params = func() *astiav.CodecParameters { return f.stream.CodecParameters() }
	}
	return newDecoder(cfg)
}

// Next returns the next unit, which is valid until the following call, and
// io.EOF after the last. PTS begins near 0 and is in decoding order: with
// B-frames it goes back and forth.
func (f *File) Next() (*decode.AccessUnit, error) {
	f.pkt.Unref()
	if err := f.read(); err != nil {
		if errors.Is(err, astiav.ErrEof) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	pkt := packetOf(f.pkt)
	pts := f.pts(pkt)
	f.next = pts + f.frameTime
	f.unit = decode.AccessUnit{
		Codec:    f.codec,
		Data:     unsafe.Slice((*byte)(unsafe.Pointer(pkt.data)), int(pkt.size)),
		PTS:      pts,
		Keyframe: pkt.flags&C.AV_PKT_FLAG_KEY != 0,
	}
	f.unit.RTPTime = int64(C.av_rescale(C.int64_t(pts), C.int64_t(f.codec.ClockRate()), C.int64_t(time.Second)))
	return &f.unit, nil
}

// pts is the packet's time; some containers keep only the order of decoding,
// some nothing.
func (f *File) pts(pkt *C.AVPacket) time.Duration {
	ticks := int64(pkt.pts)
	if ticks == C.AV_NOPTS_VALUE {
		ticks = int64(pkt.dts)
	}
	if ticks == C.AV_NOPTS_VALUE {
		return f.next
	}
	return span(ticks-f.start, f.timeBase)
}

func (f *File) read() error {
	for {
		if f.filter != nil {
			err := f.filter.ReceivePacket(f.pkt)
			if !errors.Is(err, astiav.ErrEagain) {
				return err
			}
		}
		if f.ended {
			return astiav.ErrEof
		}
		if err := f.readVideo(); err != nil {
			return err
		}
		if f.filter == nil {
			return nil
		}
		if err := f.toFilter(); err != nil {
			return err
		}
	}
}

// readVideo reads the video's next packet.
func (f *File) readVideo() error {
	for {
		err := f.ctx.ReadFrame(f.pkt)
		if errors.Is(err, astiav.ErrEof) && f.filter != nil {
			f.ended = true
			return nil
		}
		if err != nil || f.pkt.StreamIndex() == f.stream.Index() {
			return err
		}
		f.pkt.Unref()
	}
}

// toFilter gives the packet, or the end, to the filter.
func (f *File) toFilter() error {
	if f.ended {
		return check(C.av_bsf_send_packet(filterOf(f.filter), nil))
	}
	return f.filter.SendPacket(f.pkt)
}

// Rewind goes back to the beginning: the next unit is the first again, with
// its PTS.
func (f *File) Rewind() error {
	f.ended, f.next = false, 0
	err := f.ctx.SeekFrame(f.stream.Index(), f.start, astiav.NewSeekFlags(astiav.SeekFlagBackward))
	if err != nil { // an elementary stream has no index
		f.closeInput()
		err = f.open()
	}
	if err != nil {
		return fmt.Errorf("rewind %s: %w", f.path, err)
	}
	if f.filter != nil {
		C.av_bsf_flush(filterOf(f.filter))
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.pkt == nil {
		return nil
	}
	f.closeInput()
	f.pkt.Free()
	f.pkt = nil
	return nil
}

func (f *File) closeInput() {
	if f.filter != nil {
		f.filter.Free()
		f.filter = nil
	}
	if f.opened { // a failed OpenInput frees the context
		f.ctx.CloseInput()
		f.opened = false
	}
}

// system turns FFmpeg's error into the operating system's where it is one.
func system(err error) error {
	var code astiav.Error
	if errors.As(err, &code) && -4096 < code && code < 0 {
		return syscall.Errno(-code)
	}
	return err
}
