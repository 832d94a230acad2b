package ffmpeg

/*
#cgo pkg-config: libswresample
#include "native.h"
#include "audio.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
)

// SoundFile reads the sound of a file: stereo samples of 48 kHz, whatever they
// are in the file.
type SoundFile struct {
	path    string
	ctx     *astiav.FormatContext
	opened  bool // ctx has an input
	stream  *astiav.Stream
	decoder *astiav.CodecContext
	pkt     *astiav.Packet
	frame   *astiav.Frame
	swr     *C.SwrContext // for frames like the last one
	samples []int16

	start time.Duration // of the file's picture, or of the sound without one
	next  time.Duration // of the frame behind the last
	ended bool          // everything is read, the decoder may hold some
}

// OpenSoundFile opens a file of any container and codec that FFmpeg reads.
func OpenSoundFile(path string) (*SoundFile, error) {
	f := &SoundFile{path: path, pkt: astiav.AllocPacket(), frame: astiav.AllocFrame()}
	if err := f.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return f, nil
}

func (f *SoundFile) open() error {
	f.ctx = astiav.AllocFormatContext()
	if err := f.ctx.OpenInput("file:"+f.path, nil, nil); err != nil {
		return system(err)
	}
	f.opened = true
	if err := f.ctx.FindStreamInfo(nil); err != nil {
		return err
	}
	if f.stream = first(f.ctx, astiav.MediaTypeAudio); f.stream == nil {
		return errors.New("there is no sound in it")
	}
	begins := f.stream
	if picture := first(f.ctx, astiav.MediaTypeVideo); picture != nil {
		begins = picture
	}
	if start := begins.StartTime(); start != C.AV_NOPTS_VALUE {
		f.start = span(start, begins.TimeBase())
	}
	codec := astiav.FindDecoder(f.stream.CodecParameters().CodecID())
	if codec == nil {
		return fmt.Errorf("this build of FFmpeg has no decoder for %s", f.stream.CodecParameters().CodecID())
	}
	f.decoder = astiav.AllocCodecContext(codec)
	if err := f.stream.CodecParameters().ToCodecContext(f.decoder); err != nil {
		return err
	}
	return f.decoder.Open(codec, nil)
}

// span converts ticks of a time base.
func span(ticks int64, base astiav.Rational) time.Duration {
	return time.Duration(C.av_rescale(C.int64_t(ticks), C.int64_t(int64(time.Second)*int64(base.Num())), C.int64_t(base.Den())))
}

// Next returns the next piece, which is valid until the following call, and
// io.EOF after the last. PTS is on the clock of the file's picture: see
// [File.Next]. What cannot be decoded is left out.
func (f *SoundFile) Next() (decode.Sound, error) {
	for {
		ret := C.avcodec_receive_frame(contextOf(f.decoder), frameOf(f.frame))
		switch {
		case ret == C.AVERROR_EOF:
			return decode.Sound{}, io.EOF
		case ret == again:
			if err := f.feed(); err != nil {
				return decode.Sound{}, fmt.Errorf("read %s: %w", f.path, err)
			}
		case ret < 0:
			return decode.Sound{}, fmt.Errorf("decode %s: %w", f.path, check(ret))
		default:
			defer f.frame.Unref()
			return f.sound()
		}
	}
}

// feed gives the decoder the next packet, or the end.
func (f *SoundFile) feed() error {
	for !f.ended {
		f.pkt.Unref()
		err := f.ctx.ReadFrame(f.pkt)
		if errors.Is(err, astiav.ErrEof) {
			f.ended = true
			break
		}
		if err != nil {
			return err
		}
		if f.pkt.StreamIndex() != f.stream.Index() {
			continue
		}
		if f.decoder.SendPacket(f.pkt) == nil {
			return nil
		}
	}
	if err := f.decoder.SendPacket(nil); err != nil && !errors.Is(err, astiav.ErrEof) {
		return err
	}
	return nil
}

// sound makes samples of the frame.
func (f *SoundFile) sound() (decode.Sound, error) {
	frame := frameOf(f.frame)
	if f.swr = C.rp_resampler(f.swr, frame, opusRate); f.swr == nil {
		return decode.Sound{}, fmt.Errorf("resample %s: from %d Hz: cannot", f.path, int(frame.sample_rate))
	}
	most := C.swr_get_out_samples(f.swr, frame.nb_samples)
	if n := int(most) * opusChannels; len(f.samples) < n {
		f.samples = make([]int16, n)
	}
	n := C.rp_resample(f.swr, frame, (*C.int16_t)(unsafe.Pointer(unsafe.SliceData(f.samples))), most)
	if err := check(n); err != nil {
		return decode.Sound{}, fmt.Errorf("resample %s: %w", f.path, err)
	}
	pts := f.next
	if frame.pts != C.AV_NOPTS_VALUE {
		pts = span(int64(frame.pts), f.stream.TimeBase()) - f.start
	}
	s := decode.Sound{PTS: pts, Rate: opusRate, Channels: opusChannels, Samples: f.samples[:int(n)*opusChannels]}
	f.next = pts + s.Duration()
	return s, nil
}

// Rewind goes back to the beginning.
func (f *SoundFile) Rewind() error {
	f.close()
	f.ended, f.next, f.start = false, 0, 0
	if err := f.open(); err != nil {
		return fmt.Errorf("rewind %s: %w", f.path, err)
	}
	return nil
}

// Close closes the file.
func (f *SoundFile) Close() error {
	if f.pkt == nil {
		return nil
	}
	f.close()
	f.pkt.Free()
	f.frame.Free()
	f.pkt = nil
	return nil
}

func (f *SoundFile) close() {
	C.rp_free_resampler(f.swr)
	f.swr = nil
	if f.decoder != nil {
		f.decoder.Free()
		f.decoder = nil
	}
	if f.opened { // a failed OpenInput frees the context
		f.ctx.CloseInput()
		f.opened = false
	}
}
