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
}

// Decoder decodes one stream.
type Decoder struct {
	cfg  Config
	ctx  *astiav.CodecContext
	pkt  *astiav.Packet
	pool *pool
	out  []decode.Picture

	units        [64]decode.AccessUnit // those that pictures may still come of, without data
	count        int64                 // of units; the packet's timestamp, which the picture brings back
	needKeyframe bool
}

var _ decode.Decoder = (*Decoder)(nil)

// NewDecoder returns a decoder for cfg.Codec.
func NewDecoder(cfg Config) (*Decoder, error) {
	id, err := codecID(cfg.Codec)
	if err != nil {
		return nil, err
	}
	return open(cfg, id, nil)
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

// open opens a decoder, for the stream of a file with its parameters.
func open(cfg Config, id astiav.CodecID, params *astiav.CodecParameters) (*Decoder, error) {
	if cfg.Threads < 0 || cfg.MaxPixels < 0 {
		return nil, fmt.Errorf("threads, max pixels: must not be negative, got %d and %d", cfg.Threads, cfg.MaxPixels)
	}
	if cfg.MaxPixels == 0 {
		cfg.MaxPixels = maxPixels
	}
	codec := findDecoder(id)
	if codec == nil {
		return nil, fmt.Errorf("this build of FFmpeg has no decoder for %s", id.Name())
	}
	d := &Decoder{cfg: cfg, pool: &pool{}, needKeyframe: true}
	d.ctx, d.pkt = astiav.AllocCodecContext(codec), astiav.AllocPacket()
	if err := d.configure(codec, params); err != nil {
		d.Close()
		return nil, fmt.Errorf("%s: %w", codec.Name(), err)
	}
	return d, nil
}

// findDecoder prefers libdav1d, because FFmpeg's own AV1 decoder works on
// hardware alone.
func findDecoder(id astiav.CodecID) *astiav.Codec {
	if id == codecIDAV1 {
		if c := astiav.FindDecoderByName("libdav1d"); c != nil {
			return c
		}
	}
	return astiav.FindDecoder(id)
}

func (d *Decoder) configure(codec *astiav.Codec, params *astiav.CodecParameters) error {
	if params != nil {
		if err := params.ToCodecContext(d.ctx); err != nil {
			return err
		}
	}
	d.ctx.SetThreadCount(max(d.cfg.Threads, 1))
	d.ctx.SetThreadType(astiav.ThreadTypeSlice)
	var flags astiav.CodecContextFlags
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
func (d *Decoder) Decode(au *decode.AccessUnit) ([]decode.Picture, error) {
	d.out = d.out[:0]
	if d.needKeyframe && !au.Keyframe && !d.cfg.ShowCorrupt {
		return nil, decode.ErrNeedKeyframe
	}
	if len(au.Data) == 0 {
		return nil, nil
	}
	if err := d.send(au); err != nil {
		if d.refusedSize(au, err) {
			err = fmt.Errorf("%w: at most %d pixels are taken", ErrTooLarge, d.cfg.MaxPixels)
		}
		return d.out, d.lose(err)
	}
	d.needKeyframe = d.needKeyframe && !au.Keyframe
	return d.receive()
}

func (d *Decoder) send(au *decode.AccessUnit) error {
	n := d.count
	d.count++
	unit := &d.units[n%int64(len(d.units))]
	*unit = *au
	unit.Data = nil
	keyframe := C.int(0)
	if au.Keyframe {
		keyframe = 1
	}
	return check(C.rp_send(contextOf(d.ctx), packetOf(d.pkt),
		(*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(au.Data))), C.int(len(au.Data)), C.int64_t(n), keyframe))
}

func (d *Decoder) receive() ([]decode.Picture, error) {
	for {
		img := d.pool.get()
		ret := C.avcodec_receive_frame(contextOf(d.ctx), img.c)
		if ret < 0 {
			d.pool.put(img)
		}
		if ret == again || ret == C.AVERROR_EOF {
			return d.out, nil
		}
		if ret < 0 {
			return d.out, d.lose(check(ret))
		}
		if C.rp_damaged(img.c) != 0 && !d.cfg.ShowCorrupt {
			d.pool.put(img)
			return d.out, d.lose(errDamaged)
		}
		img.open()
		d.out = append(d.out, decode.Picture{Image: img, Unit: d.unitOf(int64(img.c.pts))})
	}
}

// again is FFmpeg's word for more input, please.
const again = -C.EAGAIN

var errDamaged = errors.New("the picture is damaged")

func (d *Decoder) unitOf(pts int64) decode.AccessUnit {
	if pts < 0 || pts >= d.count || pts < d.count-int64(len(d.units)) {
		pts = d.count - 1
	}
	return d.units[pts%int64(len(d.units))]
}

// lose makes the decoder wait for a keyframe where that helps.
func (d *Decoder) lose(err error) error {
	C.avcodec_flush_buffers(contextOf(d.ctx))
	d.needKeyframe = true
	for _, final := range []error{ErrTooLarge, errNoMemory, astiav.ErrPatchwelcome} {
		if errors.Is(err, final) {
			return fmt.Errorf("decode %s: %w", d.cfg.Codec, err)
		}
	}
	return fmt.Errorf("%w: %w", decode.ErrNeedKeyframe, err)
}

// errNoMemory is FFmpeg's.
const errNoMemory = astiav.Error(-C.ENOMEM)

// refusedSize tells the error for a picture of more than max_pixels. FFmpeg's
// decoders return EINVAL for it and leave the size at zero; those of NAL units
// skip the parameter set, whose size a parser then knows.
func (d *Decoder) refusedSize(au *decode.AccessUnit, err error) bool {
	if !au.Codec.AnnexB() {
		return errors.Is(err, astiav.Error(-C.EINVAL)) && d.ctx.Width() == 0
	}
	pixels := C.rp_parsed_pixels(contextOf(d.ctx).codec_id, (*C.uint8_t)(unsafe.SliceData(au.Data)), C.int(len(au.Data)))
	return int64(pixels) > int64(d.cfg.MaxPixels)
}

// Flush implements decode.Decoder.
func (d *Decoder) Flush() ([]decode.Picture, error) {
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
func (d *Decoder) Close() error {
	if d.ctx == nil {
		return nil
	}
	d.ctx.Free()
	d.pkt.Free()
	d.ctx, d.pkt = nil, nil
	d.pool.close()
	return nil
}

func check(ret C.int) error {
	if ret >= 0 {
		return nil
	}
	return astiav.Error(ret)
}
