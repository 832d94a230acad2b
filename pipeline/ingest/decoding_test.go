package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// poser is software that takes itself for a graphics card, until it fails.
type poser struct {
	decode.Decoder
	fail *bool
}

func (p poser) Decode(au *decode.AccessUnit) ([]decode.Picture, error) {
	if *p.fail {
		return nil, fmt.Errorf("%w: the card fell off the bus", decode.ErrDevice)
	}
	return p.Decoder.Decode(au)
}

// pose has the source decode on a poser that fails on command.
func (r *rig) pose(fail *bool) {
	software := r.newDecoder
	r.newDecoder = func(c ffmpeg.Config) (decode.Decoder, error) {
		return decode.NewFailover(decode.FailoverConfig{
			Devices: []decode.Device{"cuda"}, OnSoftware: c.OnSoftware,
			Open: func(d decode.Device) (decode.Decoder, error) {
				real, err := software(c)
				if d == decode.CPU {
					return real, err
				}
				return poser{real, fail}, err
			},
		})
	}
}

// A card that fails in mid-run costs the pictures up to the next keyframe, which
// is asked for. The source goes on.
func TestTrackDeviceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		fail := false
		r.pose(&fail)
		r.begin(t)
		r.show()
		r.show()
		got := r.read(t)
		fail = true
		r.show()
		got = append(got, r.read(t)...)
		if n := len(r.feed.asked()); n != 1 {
			t.Errorf("%d keyframes were asked for", n)
		}
		r.show()
		r.sender.keyframe()
		r.show()
		r.show()
		want := []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, ms(133), pipeline.Loss, true, size},
			{3, ms(167), "", false, size},
		}
		if diff := cmp.Diff(want, append(got, r.read(t)...)); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if n := strings.Count(r.log.String(), `level=WARN msg="decoding goes on in software" track=main_video reason="cuda: the device failed: the card fell off the bus"`); n != 1 {
			t.Errorf("said %d times in %s", n, r.log)
		}
	})
}

// A machine without the hardware decodes all the same, and says why once.
func TestTrackDeviceAbsent(t *testing.T) {
	const absent = "vulkan" // which FFmpeg 5.1 does not decode on
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "h264", FreezeLoss)
		r.cfg.Device = absent
		r.begin(t)
		r.show()
		r.show()
		if got := r.read(t); len(got) != 2 {
			t.Errorf("got %v", got)
		}
		if n := strings.Count(r.log.String(), `level=INFO msg="decoding in software" track=main_video device=vulkan reason="vulkan: this build of FFmpeg does not decode h264 there"`); n != 1 {
			t.Errorf("said %d times in %s", n, r.log)
		}
	})
	d := Decoding{Device: absent, Require: true}
	err := d.check([]string{"vp8"})
	if want := "vp8: the device is required: vulkan: this build of FFmpeg does not decode vp8 there"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("%v is one to try again", err)
	}
	if _, err := NewTrack(pipeline.Env{}, TrackConfig{Track: "a", Codecs: []string{"vp8"}, Receiving: Receiving{MaxUnit: 1, Decoding: d}}); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := NewFile(pipeline.Env{}, FileConfig{File: street, Decoding: d}); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	plain := defaultRTP()
	plain.RTP, plain.Codec, plain.Decoding = "127.0.0.1:0", "vp8", d
	if _, err := NewRTP(pipeline.Env{}, plain); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	c, camera := newCamera(t, "vp8"), defaultRTSP() // which says its codec when it is asked
	camera.RTSP, camera.User, camera.Password = "rtsp://"+c.addr+"/stream", cameraUser, cameraPassword
	camera.Device, camera.Require, camera.Threads = absent, true, 1
	s, _ := c.viewAs(camera)
	if _, err := s.Read(t.Context()); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// A stream that the required device does not take ends the source.
func TestTrackDeviceRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.newDecoder = func(ffmpeg.Config) (decode.Decoder, error) { return required{}, nil }
		r.begin(t)
		r.show()
		_, err := r.Read(t.Context())
		if !errors.Is(err, pipeline.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}

// required takes no software for an answer.
type required struct{ decode.Decoder }

func (required) Close() error { return nil }

func (required) Decode(*decode.AccessUnit) ([]decode.Picture, error) {
	return nil, fmt.Errorf("%w: cuda: the device does not take this stream", decode.ErrRequired)
}
