package ingest

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Decoding is how a source decodes: the settings that all share that do.
type Decoding struct {
	// Device is where pictures are decoded: cpu, auto (the first hardware that
	// can, else cpu), or a kind of hardware that FFmpeg knows, such as cuda,
	// cuda:1 (the second card), vaapi or vaapi:/dev/dri/renderD129. A picture is
	// decoded for a trial; where that fails, and where the hardware fails later,
	// the cpu takes over, which is logged.
	Device decode.Device `yaml:"device"`
	// Require refuses to begin on the cpu where a device is named: a track's
	// device must then decode all of its codecs.
	Require bool `yaml:"require"`
	// Threads that the cpu may use for one picture; more than one helps above
	// 1080p.
	Threads int `yaml:"threads"`
	// MaxPixels is the largest picture taken, in width × height. What a stream
	// announces beyond that is dropped before memory is given to it.
	MaxPixels int `yaml:"max_pixels"`
}

func defaultDecoding() Decoding {
	return Decoding{Device: decode.CPU, Threads: 1, MaxPixels: defaultPixels}
}

const (
	// maxThreads is more than any decoder makes use of.
	maxThreads = 64
	// defaultPixels are four times those of 4K.
	defaultPixels = 4096 * 4096
	// mostPixels is what FFmpeg can take at all, and 400 MB in one picture.
	mostPixels = 16000 * 16000
)

// problems are those of the fields.
func (d *Decoding) problems() []error {
	var errs []error
	if err := d.Device.Check(); err != nil {
		errs = append(errs, fmt.Errorf("device: %w", err))
	}
	if d.Require && d.Device.Software() {
		errs = append(errs, errors.New("require: must go with a device that is not the cpu"))
	}
	if d.Threads < 1 || d.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("threads: must be 1 to %d, got %d", maxThreads, d.Threads))
	}
	if err := checkPixels(d.MaxPixels); err != nil {
		errs = append(errs, err)
	}
	return errs
}

func checkPixels(n int) error {
	if n < 1 || n > mostPixels {
		return fmt.Errorf("max_pixels: must be 1 to %d, got %d", mostPixels, n)
	}
	return nil
}

// config is that of a decoder, whose changes of device go to log.
func (d *Decoding) config(log *slog.Logger) ffmpeg.Config {
	return ffmpeg.Config{
		Threads: d.Threads, MaxPixels: d.MaxPixels, Device: d.Device, Require: d.Require,
		OnSoftware: func(worked bool, why error) {
			if worked {
				log.Warn("decoding goes on in software", "reason", why)
				return
			}
			log.Info("decoding in software", "device", d.Device, "reason", why)
		},
	}
}

// check tries a required device with each codec that may come.
func (d *Decoding) check(codecs []string) error {
	if !d.Require {
		return nil
	}
	for _, name := range codecs {
		codec, err := decode.ParseCodec(name)
		if err != nil {
			return err
		}
		decoder, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: codec, Device: d.Device, Require: true})
		if err != nil {
			return pipeline.Invalid(fmt.Errorf("%s: %w", codec, err))
		}
		if err := decoder.Close(); err != nil {
			return err
		}
	}
	return nil
}
