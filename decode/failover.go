package decode

import (
	"errors"
	"fmt"
)

// FailoverConfig is what a Failover is made with.
type FailoverConfig struct {
	// Devices are tried in this order; CPU is not one of them.
	Devices []Device
	// Require refuses to begin in software.
	Require bool
	// Open returns a decoder on exactly that device. One on hardware has been
	// tried; what it cannot do for a reason that is not the stream's wraps
	// ErrDevice.
	Open func(Device) (Decoder, error)
	// OnSoftware is told that software takes over, whether hardware had decoded
	// pictures of this stream before, and why. May be nil.
	OnSoftware func(worked bool, why error)
}

// maxSilent is how many units a device may take without giving a picture back:
// more than the longest reordering (16) and what hardware keeps in its queue.
const maxSilent = 32

// Failover decodes on the first device that can, and goes on in software when
// that fails, for as long as it lives. A keyframe on which the device failed is
// decoded again in software, so that no picture is lost with it; otherwise
// Decode returns an error that wraps ErrNeedKeyframe.
type Failover struct {
	cfg      FailoverConfig
	decoder  Decoder
	device   Device // of decoder
	proven   bool   // the device gave a picture of this stream
	silent   int    // units since the last picture
	out      []Picture
	required error // set: nothing is decoded any more
}

var _ Decoder = (*Failover)(nil)

// NewFailover opens the first device that can, else software. With Require,
// that none can is an error.
func NewFailover(cfg FailoverConfig) (*Failover, error) {
	f := &Failover{cfg: cfg}
	var reasons []error
	for _, device := range cfg.Devices {
		d, err := cfg.Open(device)
		if err == nil {
			f.decoder, f.device = d, device
			return f, nil
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", device, err))
	}
	why := joinInLine(reasons)
	if cfg.Require {
		return nil, fmt.Errorf("%w: %w", ErrRequired, why)
	}
	d, err := cfg.Open(CPU)
	if err != nil {
		return nil, err
	}
	f.settle(d, why)
	return f, nil
}

// joinInLine joins errors for one line of a log.
func joinInLine(errs []error) error {
	if len(errs) == 0 {
		return errors.New("no device can decode this")
	}
	all := errs[0]
	for _, err := range errs[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	return all
}

// settle goes on in software.
func (f *Failover) settle(d Decoder, why error) {
	f.decoder, f.device = d, CPU
	if f.cfg.OnSoftware != nil {
		f.cfg.OnSoftware(f.proven, why)
	}
}

// Device returns where pictures are decoded now.
func (f *Failover) Device() Device { return f.device }

// Decode implements Decoder.
func (f *Failover) Decode(au *AccessUnit) ([]Picture, error) {
	if f.required != nil {
		return nil, f.required
	}
	pictures, err := f.decoder.Decode(au)
	if f.device == CPU {
		return pictures, err
	}
	if len(pictures) > 0 {
		f.proven, f.silent = true, 0
	} else {
		f.silent++
	}
	if err == nil && f.silent > maxSilent {
		err = fmt.Errorf("%w: no picture for %d units", ErrDevice, f.silent)
	}
	switch {
	case err == nil:
		return pictures, nil
	case au.Keyframe && len(pictures) == 0:
		return f.again(au, err)
	case errors.Is(err, ErrDevice):
		return f.leave(pictures, err)
	}
	return pictures, err
}

// again decodes in software the keyframe that the device failed on. If software
// fails too, the keyframe was at fault, unless the device says otherwise.
func (f *Failover) again(au *AccessUnit, why error) ([]Picture, error) {
	d, err := f.cfg.Open(CPU)
	if err != nil {
		return nil, errors.Join(why, err)
	}
	pictures, err := d.Decode(au)
	if err != nil && !errors.Is(why, ErrDevice) {
		_ = d.Close()
		return nil, why
	}
	f.out = append(f.out[:0], pictures...)
	if f.refuses(why) {
		f.drop(d)
		return nil, f.required
	}
	f.replace(d, why)
	return f.out, err
}

// leave goes over to software, which needs a keyframe.
func (f *Failover) leave(pictures []Picture, why error) ([]Picture, error) {
	f.out = append(f.out[:0], pictures...) // of the decoder that is about to go
	if f.refuses(why) {
		return f.out, f.required
	}
	d, err := f.cfg.Open(CPU)
	if err != nil {
		return f.out, errors.Join(why, err)
	}
	f.replace(d, why)
	return f.out, fmt.Errorf("%w: %w", ErrNeedKeyframe, why)
}

// refuses says that a device which never gave a picture of the stream was
// required to: ErrRequired from here on.
func (f *Failover) refuses(why error) bool {
	if f.cfg.Require && !f.proven {
		f.required = fmt.Errorf("%w: %s: %w", ErrRequired, f.device, why)
	}
	return f.required != nil
}

func (f *Failover) replace(software Decoder, why error) {
	_ = f.decoder.Close() // of a device that failed already
	f.settle(software, fmt.Errorf("%s: %w", f.device, why))
}

// drop closes what is not wanted after all.
func (f *Failover) drop(d Decoder) {
	for _, p := range f.out {
		_ = p.Image.Close()
	}
	f.out = f.out[:0]
	_ = d.Close()
}

// Flush implements Decoder.
func (f *Failover) Flush() ([]Picture, error) {
	if f.required != nil {
		return nil, f.required
	}
	f.silent = 0
	pictures, err := f.decoder.Flush()
	if f.device != CPU && errors.Is(err, ErrDevice) {
		return f.leave(pictures, err)
	}
	return pictures, err
}

// Close implements Decoder.
func (f *Failover) Close() error { return f.decoder.Close() }
