package ffmpeg

import (
	"fmt"
	"math"
	"strconv"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
)

// bitsPerPixel is what libvpx and libaom are given where no bitrate is asked for:
// they have no mode for a quality that would also keep up. 2.8 Mbit/s at 720p30.
const bitsPerPixel = 0.1

// never is a keyframe interval longer than any stream. Keyframes are asked for
// by time instead, because pictures come unevenly.
const never = "1000000000"

// encoderOf returns the FFmpeg encoder for codec on a device.
func encoderOf(codec decode.Codec, device decode.Device) (string, error) {
	if !device.Software() {
		return hardwareEncoderOf(codec, device)
	}
	switch codec {
	case decode.H264:
		return "libx264", nil
	case decode.VP8:
		return "libvpx", nil
	case decode.VP9:
		return "libvpx-vp9", nil
	case decode.AV1:
		return "libaom-av1", nil
	case decode.H265, decode.Opus:
	}
	return "", fmt.Errorf("codec: no encoder for %q: must be one of vp8, vp9, h264, av1", codec)
}

// settings returns FFmpeg's options as pairs. Each encoder is set to work at
// the speed of a live picture and to return it at once.
func settings(cfg encode.Config, device decode.Device) []string {
	s := []string{
		"g", never,
		"threads", strconv.Itoa(max(cfg.Threads, 1)),
		"colorspace", "smpte170m", "color_range", "tv",
	}
	if !device.Software() {
		return append(s, hardwareSettings(cfg, device)...)
	}
	if cfg.Codec == decode.H264 {
		s = append(s, "preset", "ultrafast", "tune", "zerolatency", "forced-idr", "1", "bf", "0")
		if cfg.Bitrate == 0 {
			return append(s, "crf", "23")
		}
		return append(s, rate(cfg.Bitrate)...)
	}
	bitrate := cfg.Bitrate
	if bitrate == 0 {
		bitrate = int(math.Ceil(float64(cfg.Width*cfg.Height) * cfg.FPS * bitsPerPixel))
	}
	s = append(s, rate(bitrate)...)
	s = append(s, "minrate", strconv.Itoa(bitrate), "lag-in-frames", "0") // equal bounds: constant bitrate
	if cfg.Codec == decode.AV1 {
		return append(s, "usage", "realtime", "cpu-used", "8", "row-mt", "1")
	}
	s = append(s, "deadline", "realtime", "error-resilient", "default", "auto-alt-ref", "0")
	if cfg.Codec == decode.VP8 {
		return append(s, "cpu-used", "16")
	}
	return append(s, "cpu-used", "8", "row-mt", "1")
}

// rate bounds the bitrate over half a second, which is what a receiver's
// buffers and patience allow.
func rate(bitrate int) []string {
	b := strconv.Itoa(bitrate)
	return []string{"b", b, "maxrate", b, "bufsize", strconv.Itoa(bufferSize(bitrate))}
}

func bufferSize(bitrate int) int { return bitrate / 2 }
