package ffmpeg_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestMain(m *testing.M) {
	decoder.Silence()
	os.Exit(m.Run())
}

// noise is an image that costs bits: every picture is another.
type noise struct{ n int }

func (noise) Format() pipeline.Format          { return pipeline.Format{Layout: pipeline.Opaque} }
func (n noise) Clone() (pipeline.Image, error) { return n, nil }
func (noise) Close() error                     { return nil }

func (n noise) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	b := unsafe.Slice((*byte)(dst), stride*to.Height*3/2)
	seed := uint32(n.n + 1)
	for i := range b {
		if i%16 == 0 {
			seed = seed*1664525 + 1013904223
		}
		b[i] = byte(64 + seed>>25)
	}
	return nil
}

// bare does not convert itself.
type bare struct{ pipeline.Image }

func config(codec decode.Codec) encode.Config {
	return encode.Config{Codec: codec, Width: 320, Height: 240, FPS: 30, Bitrate: 500_000}
}

var codecs = []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.AV1}

func newEncoder(t testing.TB, cfg encode.Config) encode.Encoder {
	t.Helper()
	e, err := ffmpeg.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func at(n int) time.Duration { return time.Duration(n) * time.Second / 30 }

// run encodes pictures from first on and returns the keyframes' numbers and the
// bytes.
func run(t *testing.T, e encode.Encoder, first, n int, want func(int) bool) (keyframes []int, size int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		packets, err := e.Encode(noise{i}, at(i), want(i))
		if err != nil {
			t.Fatal(err)
		}
		if len(packets) != 1 {
			t.Fatalf("picture %d: got %d packets", i, len(packets))
		}
		if got := packets[0].PTS; got != at(i).Truncate(time.Microsecond) {
			t.Errorf("picture %d: got PTS %s, want %s", i, got, at(i))
		}
		if packets[0].Keyframe {
			keyframes = append(keyframes, i)
		}
		size += len(packets[0].Data)
	}
	return keyframes, size
}

func never(int) bool { return false }

func TestKeyframes(t *testing.T) {
	for _, codec := range codecs {
		t.Run(string(codec), func(t *testing.T) {
			got, _ := run(t, newEncoder(t, config(codec)), 0, 60, func(n int) bool { return n == 7 || n == 8 })
			if diff := cmp.Diff([]int{0, 7, 8}, got); diff != "" {
				t.Errorf("on request (-want +got):\n%s", diff)
			}
			cfg := config(codec)
			cfg.KeyframeInterval = time.Second
			got, _ = run(t, newEncoder(t, cfg), 0, 90, func(n int) bool { return n == 20 })
			if diff := cmp.Diff([]int{0, 20, 50, 80}, got); diff != "" {
				t.Errorf("by the second (-want +got):\n%s", diff)
			}
		})
	}
}

// A keyframe of H.264 brings its parameter sets, in Annex B form.
func TestParameterSets(t *testing.T) {
	e := newEncoder(t, config(decode.H264))
	for i := range 2 {
		packets, err := e.Encode(noise{i}, at(i), true)
		if err != nil || len(packets) != 1 {
			t.Fatalf("got %d packets, %v", len(packets), err)
		}
		data := string(packets[0].Data)
		for _, nal := range []string{"\x00\x00\x00\x01\x67", "\x00\x00\x00\x01\x68"} {
			if !strings.Contains(data, nal) {
				t.Errorf("keyframe %d has no NAL unit %x", i, nal)
			}
		}
	}
}

func TestBitrate(t *testing.T) {
	for _, codec := range codecs {
		t.Run(string(codec), func(t *testing.T) {
			cfg := config(codec)
			cfg.Bitrate = 1_000_000
			e := newEncoder(t, cfg)
			run(t, e, 0, 30, never)
			_, before := run(t, e, 30, 60, never)
			if err := e.SetBitrate(3_000_000); err != nil {
				t.Fatal(err)
			}
			run(t, e, 90, 1, func(int) bool { return true })
			run(t, e, 91, 30, never)
			_, after := run(t, e, 121, 60, never)
			if ratio := float64(after) / float64(before); ratio < 2 {
				t.Errorf("three times the bitrate gives %.1f times the bytes: %d, then %d", ratio, before, after)
			}
		})
	}
}

// A bitrate that libvpx does not take is an error at each keyframe; pictures
// between them, and all after a better bitrate, are encoded.
func TestRefusedBitrate(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.AV1} {
		t.Run(string(codec), func(t *testing.T) {
			e := newEncoder(t, config(codec))
			run(t, e, 0, 2, never)
			if err := e.SetBitrate(1 << 40); err != nil {
				t.Fatal(err)
			}
			for i := 2; i < 4; i++ {
				if packets, err := e.Encode(noise{i}, at(i), true); err == nil {
					t.Errorf("picture %d: got %d packets, want an error", i, len(packets))
				}
			}
			run(t, e, 4, 2, never)
			if err := e.SetBitrate(1_000_000); err != nil {
				t.Fatal(err)
			}
			if got, _ := run(t, e, 6, 2, func(n int) bool { return n == 6 }); len(got) != 1 {
				t.Errorf("got keyframes %v, want picture 6", got)
			}
		})
	}
}

func TestFixedBitrate(t *testing.T) {
	cfg := config(decode.H264)
	cfg.Bitrate = 0
	e := newEncoder(t, cfg)
	if err := e.SetBitrate(1_000_000); !errors.Is(err, encode.ErrFixedBitrate) {
		t.Errorf("got %v", err)
	}
	if err := e.SetBitrate(0); err == nil || err.Error() != "bitrate: must be positive, got 0" {
		t.Errorf("got %v", err)
	}
}

func TestRefuses(t *testing.T) {
	_, err := ffmpeg.New(config(decode.H265))
	want := `codec: no encoder for "h265": must be one of vp8, vp9, h264, av1`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	e := newEncoder(t, config(decode.VP8))
	if _, err := e.Encode(bare{}, 0, false); err == nil || err.Error() != "encode vp8: a ffmpeg_test.bare does not convert itself" {
		t.Errorf("got %v", err)
	}
	run(t, e, 5, 1, never)
	if _, err := e.Encode(noise{}, at(5), false); err == nil {
		t.Error("a PTS came twice without a word")
	}
	run(t, e, 6, 1, never)
}

// The smallest picture that a config allows, and one that is no multiple of a
// block, are encoded like others, and without a picture the last one is again.
func TestSizes(t *testing.T) {
	for _, codec := range codecs {
		for _, size := range [][2]int{{2, 2}, {34, 18}} {
			cfg := config(codec)
			cfg.Width, cfg.Height = size[0], size[1]
			e := newEncoder(t, cfg)
			if _, err := e.Encode(nil, at(0), false); err == nil || err.Error() != "encode "+string(codec)+": there is no picture yet" {
				t.Errorf("%s: got %v", codec, err)
			}
			run(t, e, 1, 2, never)
			packets, err := e.Encode(nil, at(3), false)
			if err != nil || len(packets) != 1 {
				t.Fatalf("%s, %v: again: %d packets, %v", codec, size, len(packets), err)
			}
			d, err := decoder.NewDecoder(decoder.Config{Codec: codec})
			if err != nil {
				t.Fatal(err)
			}
			packets, err = e.Encode(nil, at(4), true)
			if err != nil || len(packets) != 1 || !packets[0].Keyframe {
				t.Fatalf("%s, %v: again: %d packets, %v", codec, size, len(packets), err)
			}
			got, err := d.Decode(&decode.AccessUnit{Codec: codec, Data: packets[0].Data, Keyframe: true})
			if err != nil || len(got) != 1 || got[0].Image.Format().Width != size[0] || got[0].Image.Format().Height != size[1] {
				t.Errorf("%s, %v: got %d pictures, %v", codec, size, len(got), err)
			}
			for _, p := range got {
				err = errors.Join(err, p.Image.Close())
			}
			if err := errors.Join(err, d.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}

// A device that cannot encode is a reason to go on in software, or an error
// where it is required.
func TestDevice(t *testing.T) {
	cfg := config(decode.H264)
	if ffmpeg.Try(cfg, "cuda") == nil {
		t.Skip("this machine encodes on cuda")
	}
	for _, device := range []decode.Device{decode.Auto, "cuda", "cuda:1"} {
		for _, codec := range codecs {
			var reasons []string
			cfg := config(codec)
			cfg.Device = device
			cfg.OnSoftware = func(worked bool, why error) { reasons = append(reasons, fmt.Sprint(worked, " ", why)) }
			run(t, newEncoder(t, cfg), 0, 2, never)
			if len(reasons) != 1 || !strings.HasPrefix(reasons[0], "false cuda") {
				t.Errorf("%s on %s: told %q", codec, device, reasons)
			}
			cfg.Require = true
			if _, err := ffmpeg.New(cfg); !errors.Is(err, decode.ErrRequired) || !errors.Is(err, encode.ErrDevice) {
				t.Errorf("%s, required: got %v", codec, err)
			}
		}
	}
}

func TestFlushAndClose(t *testing.T) {
	for _, codec := range codecs {
		e := newEncoder(t, config(codec))
		run(t, e, 0, 3, never)
		packets, err := e.Flush()
		if err != nil || len(packets) != 0 {
			t.Errorf("%s: held %d packets back, %v", codec, len(packets), err)
		}
		if err := errors.Join(e.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	}
}

// still is a picture that is copied as it is.
type still struct {
	noise
	planes []byte
}

func (s still) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	copy(unsafe.Slice((*byte)(dst), stride*to.Height*3/2), s.planes)
	return nil
}

// scroll returns n pictures of shapes that move.
func scroll(n, width, height int) []still {
	out := make([]still, n)
	for i := range out {
		planes := make([]byte, width*height*3/2)
		for p := range planes {
			x, y := p%width+2*i, p/width
			planes[p] = byte(128 + 40*math.Sin(float64(x)/97) + 30*math.Sin(float64(y)/61+float64(x)/43))
		}
		out[i] = still{planes: planes}
	}
	return out
}

// BenchmarkEncode encodes 720p at 4 Mbit/s.
func BenchmarkEncode(b *testing.B) {
	pictures := scroll(16, 1280, 720)
	for _, codec := range codecs {
		b.Run(string(codec), func(b *testing.B) {
			cfg := config(codec)
			cfg.Width, cfg.Height, cfg.Bitrate = 1280, 720, 4_000_000
			e := newEncoder(b, cfg)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, err := e.Encode(pictures[n%len(pictures)], at(n), false); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
