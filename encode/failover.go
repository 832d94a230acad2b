package encode

import (
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ErrDevice says that hardware failed, which is no fault of the picture.
var ErrDevice = errors.New("the device failed")

// FailoverConfig is what a Failover is made with.
type FailoverConfig struct {
	// Devices are tried in this order; the cpu is not one of them.
	Devices []decode.Device
	// Require refuses to begin in software.
	Require bool
	// Open returns an encoder on exactly that device. One on hardware has been
	// tried; what it cannot do wraps ErrDevice.
	Open func(decode.Device) (Encoder, error)
	// OnSoftware is told that software takes over, whether hardware had encoded
	// pictures before, and why. May be nil.
	OnSoftware func(worked bool, why error)
}

// maxSilent is how many pictures a device may take without giving a packet back.
// Encoders here hold none, but rate control may leave some out.
const maxSilent = 32

// Failover encodes on the first device that can, and goes on in software when
// that fails, with a keyframe made of the picture that it failed on.
type Failover struct {
	cfg     FailoverConfig
	encoder Encoder
	device  decode.Device // of encoder
	proven  bool          // the device gave a packet
	silent  int           // pictures since the last packet
	bitrate int           // set last; 0 is that of Open
}

var _ Encoder = (*Failover)(nil)

// NewFailover opens the first device that can, else software. With Require, that
// none can is an error, which wraps decode.ErrRequired.
func NewFailover(cfg FailoverConfig) (*Failover, error) {
	f := &Failover{cfg: cfg}
	var why error
	for _, device := range cfg.Devices {
		e, err := cfg.Open(device)
		if err == nil {
			f.encoder, f.device = e, device
			return f, nil
		}
		err = fmt.Errorf("%s: %w", device, err)
		if why != nil {
			err = fmt.Errorf("%w; %w", why, err)
		}
		why = err
	}
	if why == nil {
		why = errors.New("no device encodes this")
	}
	if cfg.Require {
		return nil, fmt.Errorf("%w: %w", decode.ErrRequired, why)
	}
	if err := f.fall(why); err != nil {
		return nil, err
	}
	return f, nil
}

// Device returns where pictures are encoded now.
func (f *Failover) Device() decode.Device { return f.device }

// fall goes over to software.
func (f *Failover) fall(why error) error {
	e, err := f.cfg.Open(decode.CPU)
	if err != nil {
		return errors.Join(why, err)
	}
	if f.encoder != nil {
		_ = f.encoder.Close() // of a device that failed already
	}
	f.encoder, f.device = e, decode.CPU
	if f.bitrate > 0 {
		if err := e.SetBitrate(f.bitrate); err != nil && !errors.Is(err, ErrFixedBitrate) {
			return err
		}
	}
	if f.cfg.OnSoftware != nil {
		f.cfg.OnSoftware(f.proven, why)
	}
	return nil
}

// Encode implements Encoder.
func (f *Failover) Encode(img pipeline.Image, pts time.Duration, keyframe bool) ([]Packet, error) {
	packets, err := f.encoder.Encode(img, pts, keyframe)
	if f.device == decode.CPU {
		return packets, err
	}
	if len(packets) > 0 {
		f.proven, f.silent = true, 0
	} else {
		f.silent++
	}
	if err == nil && f.silent > maxSilent {
		err = fmt.Errorf("%w: no packet for %d pictures", ErrDevice, f.silent)
	}
	if !errors.Is(err, ErrDevice) {
		return packets, err
	}
	if err := f.fall(fmt.Errorf("%s: %w", f.device, err)); err != nil {
		return nil, err
	}
	return f.encoder.Encode(img, pts, true)
}

// SetBitrate implements Encoder.
func (f *Failover) SetBitrate(bps int) error {
	f.bitrate = bps
	return f.encoder.SetBitrate(bps)
}

// Flush implements Encoder.
func (f *Failover) Flush() ([]Packet, error) { return f.encoder.Flush() }

// Close implements Encoder.
func (f *Failover) Close() error {
	if f.encoder == nil {
		return nil
	}
	return f.encoder.Close()
}
