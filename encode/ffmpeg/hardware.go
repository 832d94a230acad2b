package ffmpeg

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// hardware is the device that is meant: the only kind whose encoder takes pictures
// from the host's memory and gives them back at once is NVIDIA's.
func hardware(d decode.Device) decode.Device {
	if d == decode.Auto {
		return "cuda"
	}
	return d
}

// hardwareEncoderOf returns FFmpeg's encoder for codec on hardware.
func hardwareEncoderOf(codec decode.Codec, device decode.Device) (string, error) {
	kind, _ := device.Split()
	if kind != "cuda" || codec != decode.H264 {
		return "", fmt.Errorf("%w: it does not encode %s", encode.ErrDevice, codec)
	}
	return "h264_nvenc", nil
}

// hardwareSettings are NVENC's options, as pairs: no picture waits for another.
func hardwareSettings(cfg encode.Config, device decode.Device) []string {
	s := []string{
		"profile", "baseline", "preset", "p3", "tune", "ull", "delay", "0", "zerolatency", "1", "bf", "0",
		"forced-idr", "1", "no-scenecut", "1",
	}
	if _, which := device.Split(); which != "" {
		s = append(s, "gpu", which)
	}
	if cfg.Bitrate == 0 {
		return append(s, "rc", "constqp", "qp", "23")
	}
	return append(append(s, "rc", "cbr"), rate(cfg.Bitrate)...)
}

// blame tells errors of hardware from those of the picture: what it was given is
// in order when it gets there.
func (e *Encoder) blame(err error) error {
	if e.device.Software() || errors.Is(err, encode.ErrDevice) {
		return err
	}
	return fmt.Errorf("%w: %w", encode.ErrDevice, err)
}

// Try encodes a picture on exactly that device, as an encoder for cfg would. That
// one can be opened proves nothing.
func Try(cfg encode.Config, device decode.Device) error {
	e, err := newEncoder(cfg, device)
	if err != nil {
		return err
	}
	defer e.Close()
	packets, err := e.Encode(gray{}, time.Second, true)
	if err == nil && len(packets) == 0 {
		packets, err = e.Flush()
	}
	switch {
	case err != nil:
		return err
	case len(packets) == 0 || len(packets[0].Data) == 0:
		return e.blame(errors.New("no packet came out"))
	case !packets[0].Keyframe:
		return e.blame(errors.New("no keyframe came out"))
	}
	return nil
}

// probe says whether hardware works. Of software that is known.
func probe(cfg encode.Config, device decode.Device) error {
	if device.Software() {
		return nil
	}
	return Try(cfg, device)
}

// gray is a picture of one colour.
type gray struct{}

var _ pipeline.Converter = gray{}

func (gray) Format() pipeline.Format          { return pipeline.Format{Layout: pipeline.Opaque} }
func (g gray) Clone() (pipeline.Image, error) { return g, nil }
func (gray) Close() error                     { return nil }

func (gray) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	const middle = 128
	b := unsafe.Slice((*byte)(dst), stride*to.Height*3/2)
	for i := range b {
		b[i] = middle
	}
	return nil
}

// trialSize is the width and height of a picture that any card encodes.
const trialSize = 256

// CheckRequired says whether a device that has to encodes pictures in a codec.
func CheckRequired(codec decode.Codec, device decode.Device) error {
	err := Try(encode.Config{Codec: codec, Width: trialSize, Height: trialSize, FPS: 30, Bitrate: 1_000_000}, hardware(device))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", decode.ErrRequired, hardware(device), err)
	}
	return nil
}
