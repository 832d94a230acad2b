package doctor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoders "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
)

// codecChecks are a line for each way to decode and to encode, tried with a
// picture: that a codec can be opened proves nothing.
func codecChecks() []func() Result {
	var checks []func() Result
	for _, codec := range decode.Codecs() {
		if codec.Video() {
			checks = append(checks, func() Result { return decodes(codec, try) })
		}
	}
	for _, device := range ffmpeg.Devices() {
		checks = append(checks, func() Result { return decodesOn(device, try) })
	}
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.AV1} {
		checks = append(checks, func() Result { return encodes(codec) })
	}
	checks = append(checks, func() Result { return encodesOn("cuda") })
	return checks
}

// trial decodes a picture of a codec on a device.
type trial func(decode.Device, decode.Codec) error

func try(device decode.Device, codec decode.Codec) error {
	img, err := ffmpeg.Try(device, codec)
	if err != nil {
		return err
	}
	return img.Close()
}

func decodes(codec decode.Codec, try trial) Result {
	name := "decode " + string(codec)
	if err := try(decode.CPU, codec); err != nil {
		return warn(name, err.Error(), "leave "+string(codec)+" out of the source's codecs, or install an FFmpeg that has it")
	}
	return ok(name, "software")
}

// decodesOn says what a kind of hardware decodes. A machine without it lacks
// nothing: software decodes all.
func decodesOn(device decode.Device, try trial) Result {
	name := "device " + string(device)
	var can []string
	cannot := map[string][]string{} // codecs by the reason
	var reasons []string
	for _, codec := range decode.Codecs() {
		if !codec.Video() {
			continue
		}
		err := try(device, codec)
		if err == nil {
			can = append(can, string(codec))
			continue
		}
		reason := err.Error()
		if cannot[reason] == nil {
			reasons = append(reasons, reason)
		}
		cannot[reason] = append(cannot[reason], string(codec))
	}
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("not %s (%s)", strings.Join(cannot[reason], ", "), reason)
	}
	if len(can) > 0 {
		reasons = append([]string{"decodes " + strings.Join(can, ", ")}, reasons...)
	}
	return ok(name, strings.Join(reasons, "; "))
}

func encodes(codec decode.Codec) Result {
	name := "encode " + string(codec)
	if err := encodeSample(codec); err != nil {
		return warn(name, err.Error(), "publish and record with another codec, or install an FFmpeg that has it")
	}
	return ok(name, "software")
}

// encodesOn says whether hardware encodes H.264, the one codec that publish and
// record look for there. A machine without it lacks nothing.
func encodesOn(device decode.Device) Result {
	name := "encode on " + string(device)
	cfg := encode.Config{Codec: decode.H264, Width: ffmpeg.SampleSize, Height: ffmpeg.SampleSize, FPS: 30, Bitrate: 1_000_000}
	if err := encoders.Try(cfg, device); err != nil {
		return ok(name, "not h264 ("+err.Error()+")")
	}
	return ok(name, "h264")
}

// encodeSample encodes what comes out of a sample.
func encodeSample(codec decode.Codec) error {
	img, err := ffmpeg.Try(decode.CPU, decode.VP8)
	if err != nil {
		return err
	}
	defer img.Close()
	e, err := encoders.New(encode.Config{Codec: codec, Width: ffmpeg.SampleSize, Height: ffmpeg.SampleSize, FPS: 30})
	if err != nil {
		return err
	}
	defer e.Close()
	packets, err := e.Encode(img, time.Second, true)
	if err == nil && (len(packets) == 0 || len(packets[0].Data) == 0) {
		return errors.New("no packet came out")
	}
	return err
}
