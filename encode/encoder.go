package encode

import (
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ErrFixedBitrate says that a codec cannot change its bitrate while it runs.
var ErrFixedBitrate = errors.New("bitrate is fixed")

// Config is what an encoder is made with.
type Config struct {
	Codec decode.Codec
	// Width and Height of the encoded picture, in pixels: even and positive.
	Width, Height int
	// FPS is the nominal rate, for rate control. Pictures may come unevenly.
	FPS float64
	// Bitrate is the target in bit/s; 0 leaves it to the encoder, which then
	// aims at a quality.
	Bitrate int
	// KeyframeInterval is the longest time between keyframes; 0: keyframes
	// only on request.
	KeyframeInterval time.Duration
	// Threads is the number of threads an encoder may use; 0 is 1.
	Threads int
	// Device is where pictures are encoded; software where nothing is said.
	Device decode.Device
	// Require refuses to begin in software.
	Require bool
	// OnSoftware is told that software takes over from the device, whether that
	// had encoded pictures before, and why. May be nil.
	OnSoftware func(worked bool, why error)
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	if !c.Codec.Video() {
		errs = append(errs, fmt.Errorf("codec: must be a video codec, got %q", c.Codec))
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width%2 != 0 || c.Height%2 != 0 {
		errs = append(errs, fmt.Errorf("width, height: must be even and positive, got %dx%d", c.Width, c.Height))
	}
	if c.FPS <= 0 {
		errs = append(errs, fmt.Errorf("fps: must be positive, got %g", c.FPS))
	}
	if c.Bitrate < 0 {
		errs = append(errs, fmt.Errorf("bitrate: must not be negative, got %d", c.Bitrate))
	}
	if c.KeyframeInterval < 0 {
		errs = append(errs, fmt.Errorf("keyframe_interval: must not be negative, got %s", c.KeyframeInterval))
	}
	if c.Threads < 0 {
		errs = append(errs, fmt.Errorf("threads: must not be negative, got %d", c.Threads))
	}
	if err := CheckDevice(c.Device, c.Require); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// EvenDown returns a width or height as Config takes it: an odd picture loses its
// last column or row, and none has fewer than two. Contrast evenUp in
// pipeline/mat.
func EvenDown(n int) int { return max(2, n&^1) }

// Packet is one encoded picture.
type Packet struct {
	// Data is in Annex B form for H.264, parameter sets before each keyframe, and
	// a temporal unit of the low-overhead format for AV1.
	Data     []byte
	PTS      time.Duration
	Keyframe bool
}

// Encoder turns pictures into packets. It is used by one goroutine at a time.
type Encoder interface {
	// Encode encodes img, which it neither keeps nor closes, fitting it to the
	// configured size; with nil the last picture again. PTS must grow from call to call. The packets stay valid
	// until the next call. Encoders of this project hold nothing back: one
	// picture in, one packet out, none where rate control leaves a picture out.
	Encode(img pipeline.Image, pts time.Duration, keyframe bool) ([]Packet, error)
	// SetBitrate changes the target, in bit/s, or returns ErrFixedBitrate. For
	// some codecs, VP8, VP9 and AV1 here, the new one holds from the next keyframe
	// on: who does not want to wait asks Encode for one.
	SetBitrate(bps int) error
	// Flush returns what the encoder still holds. Encode must not follow.
	Flush() ([]Packet, error)
	Close() error
}
