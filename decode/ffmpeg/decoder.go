package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
)

// maxPixels is the largest picture taken where the configuration does not say.
const maxPixels = 4096 * 4096

// ErrTooLarge says that a stream's pictures are larger than the decoder was
// told to take.
var ErrTooLarge = errors.New("picture is too large")

// Config is what a decoder is made with.
type Config struct {
	Codec decode.Codec
	// Threads share the slices of a picture, which adds no delay; pictures are
	// never decoded side by side, which would. 0 is 1.
	Threads int
	// MaxPixels bounds width × height; 0 is 4096 × 4096.
	MaxPixels int
	// ShowCorrupt lets pictures through that are damaged or refer to missing
	// ones. Without, the decoder withholds them and asks for a keyframe.
	ShowCorrupt bool
	// Reorder allows pictures to wait for later units, as files with B-frames
	// need. Without, each picture comes with its unit.
	Reorder bool
	// Device is where pictures are decoded: one that works, as a picture shows,
	// else software. "" is software.
	Device decode.Device
	// Require makes it an error that a device cannot, at once or with the first
	// picture.
	Require bool
	// OnSoftware is told that software decodes for the device: see
	// decode.FailoverConfig. May be nil.
	OnSoftware func(worked bool, why error)

	id     astiav.CodecID                 // of Codec
	params func() *astiav.CodecParameters // of a file's stream; may be nil
}

// NewDecoder returns a decoder for cfg.Codec.
func NewDecoder(cfg Config) (decode.Decoder, error) {
	id, err := codecID(cfg.Codec)
	if err != nil {
		return nil, err
	}
	cfg.id = id
	return newDecoder(cfg)
}

func newDecoder(cfg Config) (decode.Decoder, error) {
	if cfg.Threads < 0 || cfg.MaxPixels < 0 {
		return nil, fmt.Errorf("threads, max pixels: must not be negative, got %d and %d", cfg.Threads, cfg.MaxPixels)
	}
	if cfg.MaxPixels == 0 {
		cfg.MaxPixels = maxPixels
	}
	if err := cfg.Device.Check(); err != nil {
		return nil, fmt.Errorf("device: %w", err)
	}
	if cfg.Device.Software() {
		return open(cfg, decode.CPU)
	}
	devices := []decode.Device{cfg.Device}
	if cfg.Device == decode.Auto {
		devices = Devices()
	}
	return decode.NewFailover(decode.FailoverConfig{
		Devices: devices, Require: cfg.Require, OnSoftware: cfg.OnSoftware,
		Open: func(d decode.Device) (decode.Decoder, error) {
			if err := probe(d, cfg.Codec); err != nil {
				return nil, err
			}
			return open(cfg, d)
		},
	})
}

// decoder is libavcodec's, on one device. FFmpeg frees it, so it is closed.
type decoder struct {
	cfg  Config
	ctx  *astiav.CodecContext
	hw   *hardware // nil: software
	in   *thread   // that decodes
	pool *pool
	out  []decode.Picture

	units        [64]decode.AccessUnit // those that pictures may still come of, without data
	count        int64                 // of units; the packet's timestamp, which the picture brings back
	needKeyframe bool
}

// codecIDAV1 is missing in go-astiav.
const codecIDAV1 = astiav.CodecID(C.AV_CODEC_ID_AV1)

func codecID(c decode.Codec) (astiav.CodecID, error) {
	switch c {
	case decode.VP8:
		return astiav.CodecIDVp8, nil
	case decode.VP9:
		return astiav.CodecIDVp9, nil
	case decode.H264:
		return astiav.CodecIDH264, nil
	case decode.H265:
		return astiav.CodecIDHevc, nil
	case decode.AV1:
		return codecIDAV1, nil
	case decode.Opus:
	}
	return 0, fmt.Errorf("codec: must be a video codec, got %q", c)
}

// open opens a decoder on exactly that device.
func open(cfg Config, device decode.Device) (decode.Decoder, error) {
	codec, err := findDecoder(cfg.id, device)
	if err != nil {
		return nil, err
	}
	d := &decoder{cfg: cfg, pool: &pool{}, needKeyframe: true}
	if !device.Software() {
		hw, err := openHardware(device, codec)
		if err != nil {
			return nil, err
		}
		d.hw = hw
	}
	d.ctx = astiav.AllocCodecContext(codec)
	err = d.configure(codec)
	if err == nil {
		d.in, err = startThread(d.ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", codec.Name(), err), d.Close())
	}
	return d, nil
}

// findDecoder prefers libdav1d, because FFmpeg's own AV1 decoder works on
// hardware alone.
func findDecoder(id astiav.CodecID, device decode.Device) (*astiav.Codec, error) {
	if !device.Software() {
		if c := hardwareDecoder(id, device); c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("this build of FFmpeg does not decode %s there", id.Name())
	}
	if id == codecIDAV1 {
		if c := astiav.FindDecoderByName("libdav1d"); c != nil {
			return c, nil
		}
	}
	if c := astiav.FindDecoder(id); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("this build of FFmpeg has no decoder for %s", id.Name())
}

func (d *decoder) configure(codec *astiav.Codec) error {
	if d.cfg.params != nil {
		if err := d.cfg.params().ToCodecContext(d.ctx); err != nil {
			return err
		}
	}
	threads := max(d.cfg.Threads, 1)
	if d.hw != nil {
		threads = 1 // the device does the work
		if err := d.hw.attach(d.ctx); err != nil {
			return err
		}
	}
	d.ctx.SetThreadCount(threads)
	// Threads that share a picture add no delay; those that decode pictures side
	// by side hold each back until the others have their input.
	d.ctx.SetThreadType(astiav.ThreadTypeSlice)
	var flags astiav.CodecContextFlags
	// Low delay gives out a picture of H.264 or H.265 with its unit, instead of
	// when its parameter sets allow no earlier one any more.
	if !d.cfg.Reorder {
		flags = flags.Add(astiav.CodecContextFlagLowDelay)
	}
	if d.cfg.ShowCorrupt {
		flags = flags.Add(astiav.CodecContextFlagOutputCorrupt)
	}
	d.ctx.SetFlags(flags)

	options := astiav.NewDictionary()
	defer options.Free()
	// Concealment stays on where its result is withheld: it is what marks a
	// picture as damaged, and costs nothing on one that is not.
	err := set(options, "max_pixels", strconv.Itoa(d.cfg.MaxPixels), "ec", "guess_mvs+deblock")
	if err != nil {
		return err
	}
	return d.ctx.Open(codec, options)
}

// Decode implements decode.Decoder.
func (d *decoder) Decode(au *decode.AccessUnit) ([]decode.Picture, error) {
	d.out = d.out[:0]
	if d.needKeyframe && !au.Keyframe && !d.cfg.ShowCorrupt {
		return nil, decode.ErrNeedKeyframe
	}
	if len(au.Data) == 0 {
		return nil, nil
	}
	if err := d.send(au); err != nil {
		err = d.blame(err)
		if d.refusedSize(au, err) {
			err = fmt.Errorf("%w: at most %d pixels are taken", ErrTooLarge, d.cfg.MaxPixels)
		}
		return d.out, d.lose(err)
	}
	d.needKeyframe = d.needKeyframe && !au.Keyframe
	return d.receive()
}

func (d *decoder) send(au *decode.AccessUnit) error {
	n := d.count
	d.count++
	unit := &d.units[n%int64(len(d.units))]
	*unit = *au
	unit.Data = nil
	return d.in.send(au.Data, n, au.Keyframe)
}

func (d *decoder) receive() ([]decode.Picture, error) {
	for {
		img := d.pool.get()
		ret := d.receiveInto(img)
		if ret < 0 {
			d.pool.put(img)
		}
		if ret == again || ret == C.AVERROR_EOF {
			return d.out, nil
		}
		if ret < 0 {
			return d.out, d.lose(d.blame(check(ret)))
		}
		if C.rp_damaged(img.c) != 0 && !d.cfg.ShowCorrupt {
			d.pool.put(img)
			return d.out, d.lose(errDamaged)
		}
		img.open()
		d.out = append(d.out, decode.Picture{Image: img, Unit: d.unitOf(int64(img.c.pts))})
	}
}

func (d *decoder) receiveInto(img *Image) C.int {
	if d.hw != nil {
		return d.hw.receive(d.ctx, img)
	}
	return C.avcodec_receive_frame(contextOf(d.ctx), img.c)
}

// blame tells errors of a device from those of the stream.
func (d *decoder) blame(err error) error {
	if d.hw != nil {
		return d.hw.blame(err)
	}
	return err
}

// again is FFmpeg's word for more input, please.
const again = -C.EAGAIN

var errDamaged = errors.New("the picture is damaged")

func (d *decoder) unitOf(pts int64) decode.AccessUnit {
	if pts < 0 || pts >= d.count || pts < d.count-int64(len(d.units)) {
		pts = d.count - 1
	}
	return d.units[pts%int64(len(d.units))]
}

// lose makes the decoder wait for a keyframe where that helps.
func (d *decoder) lose(err error) error {
	C.avcodec_flush_buffers(contextOf(d.ctx))
	d.needKeyframe = true
	for _, final := range []error{ErrTooLarge, errNoMemory, decode.ErrDevice, astiav.ErrPatchwelcome} {
		if errors.Is(err, final) {
			return fmt.Errorf("decode %s: %w", d.cfg.Codec, err)
		}
	}
	return fmt.Errorf("%w: %w", decode.ErrNeedKeyframe, err)
}

// errNoMemory is FFmpeg's.
const errNoMemory = astiav.Error(-C.ENOMEM)

// refusedSize tells the error for a picture of more than max_pixels. FFmpeg's
// decoders return EINVAL for it and leave the size at zero, and libdav1d ERANGE;
// those of NAL units skip the parameter set, whose size a parser then knows.
func (d *decoder) refusedSize(au *decode.AccessUnit, err error) bool {
	if !au.Codec.AnnexB() {
		return errors.Is(err, astiav.Error(-C.ERANGE)) || errors.Is(err, astiav.Error(-C.EINVAL)) && d.ctx.Width() == 0
	}
	pixels := C.rp_parsed_pixels(contextOf(d.ctx).codec_id, (*C.uint8_t)(unsafe.SliceData(au.Data)), C.int(len(au.Data)))
	return int64(pixels) > int64(d.cfg.MaxPixels)
}

// Flush implements decode.Decoder.
func (d *decoder) Flush() ([]decode.Picture, error) {
	d.out = d.out[:0]
	err := check(C.avcodec_send_packet(contextOf(d.ctx), nil))
	if err != nil && !errors.Is(err, astiav.ErrEof) {
		return nil, d.lose(err)
	}
	out, err := d.receive()
	C.avcodec_flush_buffers(contextOf(d.ctx))
	d.needKeyframe = true
	return out, err
}

// Close frees the decoder. Its images stay as they are.
func (d *decoder) Close() error {
	if d.ctx == nil {
		return nil
	}
	err := d.in.stop()
	d.ctx.Free()
	d.hw.close()
	d.ctx = nil
	d.pool.close()
	return err
}

func check(ret C.int) error {
	if ret >= 0 {
		return nil
	}
	return astiav.Error(ret)
}
