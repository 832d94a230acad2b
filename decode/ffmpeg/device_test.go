package ffmpeg_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Every kind of hardware goes through the same door: a picture of the sample
// comes out, in NV12 on the host, or software decodes and says why.
func TestDevices(t *testing.T) {
	devices := append(ffmpeg.Devices(), decode.Auto)
	if !slices.Contains(devices, "cuda") {
		t.Errorf("FFmpeg as Debian builds it knows cuda, got %v", devices)
	}
	for _, device := range devices {
		for _, codec := range encodable {
			t.Run(string(device)+"/"+string(codec), func(t *testing.T) { decodeOn(t, device, codec) })
		}
	}
}

func decodeOn(t *testing.T, device decode.Device, codec decode.Codec) {
	var why error
	d := newDecoder(t, ffmpeg.Config{Codec: codec, Device: device, OnSoftware: func(worked bool, err error) {
		if worked {
			t.Error("it worked, and then no more")
		}
		why = err
	}})
	layout := pipeline.NV12
	if why != nil {
		layout = pipeline.I420
		if device != decode.Auto && !strings.HasPrefix(why.Error(), string(device)+": ") {
			t.Errorf("the reason names no device: %v", why)
		}
	}
	for i, p := range clip(t, video(codec, 320, 240), 3) {
		pictures, err := d.Decode(unit(codec, p))
		if err != nil || len(pictures) != 1 {
			t.Fatalf("unit %d: got %d pictures, %v", i, len(pictures), err)
		}
		if f := pictures[0].Image.Format(); f.Layout != layout {
			t.Errorf("got %s, want %s", f, layout)
		}
		to := pipeline.Format{Layout: pipeline.I420, Width: 320, Height: 240}
		if e := meanError(convert(t, pictures[0].Image, to), draw(t, i, to)); e > 3 {
			t.Errorf("picture %d: differs by %.2f levels", i, e)
		}
		pictures[0].Image.Close()
	}
	required, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: codec, Device: device, Require: true})
	if errors.Is(err, decode.ErrRequired) != (why != nil) {
		t.Errorf("required: got %v, without: %v", err, why)
	}
	if err == nil {
		required.Close()
	}
}
