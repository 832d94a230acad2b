package ffmpeg_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

var encodable = []decode.Codec{decode.VP8, decode.VP9, decode.H264}

func video(codec decode.Codec, width, height int) encode.Config {
	return encode.Config{Codec: codec, Width: width, Height: height, FPS: 30, Bitrate: 4_000_000}
}

// What is encoded, sent over RTP and decoded is the picture, with the times of
// its unit, and each comes at once, however many threads there are.
func TestRoundTrip(t *testing.T) {
	for _, codec := range encodable {
		for _, threads := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", codec, threads), func(t *testing.T) { roundTrip(t, codec, threads) })
		}
	}
}

func roundTrip(t *testing.T, codec decode.Codec, threads int) {
	const n = 20
	cfg := video(codec, 320, 240)
	cfg.Threads = threads
	units := overRTP(t, codec, clip(t, cfg, n))
	if len(units) != n {
		t.Fatalf("got %d units of %d", len(units), n)
	}
	d := newDecoder(t, ffmpeg.Config{Codec: codec, Threads: threads})
	for i := range units {
		pictures, err := d.Decode(&units[i])
		if err != nil || len(pictures) != 1 {
			t.Fatalf("unit %d: got %d pictures, %v", i, len(pictures), err)
		}
		checkPicture(t, pictures[0], i)
	}
}

func checkPicture(t *testing.T, p decode.Picture, n int) {
	t.Helper()
	defer p.Image.Close()
	if want := pts(n); p.Unit.PTS != want {
		t.Errorf("picture %d: got PTS %s, want %s", n, p.Unit.PTS, want)
	}
	if p.Unit.Keyframe != (n == 0) || p.Unit.Data != nil {
		t.Errorf("picture %d: got unit %+v", n, p.Unit)
	}
	want := pipeline.Format{Layout: pipeline.I420, Width: 320, Height: 240}
	if got := p.Image.Format(); got != want {
		t.Fatalf("picture %d: got %v, want %v", n, got, want)
	}
	if e := meanError(convert(t, p.Image, want), draw(t, n, want)); e > 3 {
		t.Errorf("picture %d: differs by %.2f levels", n, e)
	}
}

func pts(n int) time.Duration {
	return (time.Duration(n) * time.Second / 30).Truncate(time.Microsecond)
}

func draw(t testing.TB, n int, f pipeline.Format) []byte {
	t.Helper()
	return convert(t, drawing{n}, f)
}

func TestWaitsForKeyframe(t *testing.T) {
	for _, codec := range encodable {
		t.Run(string(codec), func(t *testing.T) {
			packets := clip(t, video(codec, 320, 240), 3)
			d := newDecoder(t, ffmpeg.Config{Codec: codec})
			if _, err := d.Decode(unit(codec, packets[1])); !errors.Is(err, decode.ErrNeedKeyframe) {
				t.Errorf("without a keyframe: got %v", err)
			}
			for i := range packets {
				pictures, err := d.Decode(unit(codec, packets[i]))
				if err != nil || len(pictures) != 1 {
					t.Fatalf("unit %d: got %d pictures, %v", i, len(pictures), err)
				}
				pictures[0].Image.Close()
			}
			if _, err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Decode(unit(codec, packets[1])); !errors.Is(err, decode.ErrNeedKeyframe) {
				t.Errorf("after a flush: got %v", err)
			}
		})
	}
}

// A keyframe that is garbage, empty or cut off makes the decoder ask for
// another, and that one is decoded.
func TestDamage(t *testing.T) {
	for _, codec := range encodable {
		t.Run(string(codec), func(t *testing.T) {
			packets := clip(t, video(codec, 320, 240), 2)
			d := newDecoder(t, ffmpeg.Config{Codec: codec})
			garbage := unit(codec, packets[0])
			garbage.Data = []byte("this is no video at all")
			if _, err := d.Decode(garbage); !errors.Is(err, decode.ErrNeedKeyframe) {
				t.Errorf("garbage: got %v", err)
			}
			for i := range packets {
				pictures, err := d.Decode(unit(codec, packets[i]))
				if err != nil || len(pictures) != 1 {
					t.Fatalf("unit %d after garbage: got %d pictures, %v", i, len(pictures), err)
				}
				pictures[0].Image.Close()
			}
		})
	}
}

// A picture that FFmpeg had to conceal is withheld, unless it is asked for.
func TestConcealed(t *testing.T) {
	packets := clip(t, video(decode.H264, 320, 240), 3)
	damaged := unit(decode.H264, packets[1])
	damaged.Data = damaged.Data[:len(damaged.Data)/2]

	d := newDecoder(t, ffmpeg.Config{Codec: decode.H264})
	show := newDecoder(t, ffmpeg.Config{Codec: decode.H264, ShowCorrupt: true})
	for _, d := range []decode.Decoder{d, show} {
		pictures, err := d.Decode(unit(decode.H264, packets[0]))
		if err != nil || len(pictures) != 1 {
			t.Fatalf("got %d pictures, %v", len(pictures), err)
		}
		pictures[0].Image.Close()
	}
	if pictures, err := d.Decode(damaged); len(pictures) != 0 || !errors.Is(err, decode.ErrNeedKeyframe) {
		t.Errorf("got %d pictures, %v", len(pictures), err)
	}
	if _, err := d.Decode(unit(decode.H264, packets[2])); !errors.Is(err, decode.ErrNeedKeyframe) {
		t.Errorf("the picture after it: got %v", err)
	}
	pictures, err := show.Decode(damaged)
	if len(pictures) != 1 || err != nil {
		t.Fatalf("asked for: got %d pictures, %v", len(pictures), err)
	}
	pictures[0].Image.Close()
}

func TestSizeChange(t *testing.T) {
	for _, codec := range encodable {
		t.Run(string(codec), func(t *testing.T) {
			d := newDecoder(t, ffmpeg.Config{Codec: codec})
			for _, size := range [][2]int{{320, 240}, {640, 360}, {162, 98}} {
				for _, p := range clip(t, video(codec, size[0], size[1]), 2) {
					pictures, err := d.Decode(unit(codec, p))
					if err != nil || len(pictures) != 1 {
						t.Fatalf("%v: got %d pictures, %v", size, len(pictures), err)
					}
					f := pictures[0].Image.Format()
					if f.Width != size[0] || f.Height != size[1] {
						t.Errorf("got %v, want %v", f, size)
					}
					pictures[0].Image.Close()
				}
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	for _, codec := range encodable {
		t.Run(string(codec), func(t *testing.T) {
			d := newDecoder(t, ffmpeg.Config{Codec: codec, MaxPixels: 100 * 100})
			_, err := d.Decode(unit(codec, clip(t, video(codec, 320, 240), 1)[0]))
			if !errors.Is(err, ffmpeg.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			pictures, err := d.Decode(unit(codec, clip(t, video(codec, 64, 64), 1)[0]))
			if err != nil || len(pictures) != 1 {
				t.Fatalf("a smaller one: got %d pictures, %v", len(pictures), err)
			}
			pictures[0].Image.Close()
		})
	}
}

func TestNewDecoderRefuses(t *testing.T) {
	tests := []struct {
		cfg  ffmpeg.Config
		want string
	}{
		{ffmpeg.Config{}, `codec: must be a video codec, got ""`},
		{ffmpeg.Config{Codec: decode.Opus}, `codec: must be a video codec, got "opus"`},
		{ffmpeg.Config{Codec: decode.VP8, Threads: -1}, "threads, max pixels: must not be negative, got -1 and 0"},
	}
	for _, tt := range tests {
		_, err := ffmpeg.NewDecoder(tt.cfg)
		if err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// Every codec of the table has a decoder, the ones that cannot be encoded here
// too.
func TestDecoders(t *testing.T) {
	for _, c := range decode.Codecs() {
		if !c.Video() {
			continue
		}
		newDecoder(t, ffmpeg.Config{Codec: c, Threads: 2})
	}
}

// Images outlive the decoder, and clones the image.
func TestImageLife(t *testing.T) {
	d, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: decode.VP8})
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := d.Decode(unit(decode.VP8, clip(t, video(decode.VP8, 320, 240), 1)[0]))
	if err != nil || len(pictures) != 1 {
		t.Fatalf("got %d pictures, %v", len(pictures), err)
	}
	img := pictures[0].Image
	d.Close()
	d.Close()
	clone, err := img.Clone()
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	to := clone.Format()
	if e := meanError(convert(t, clone, to), draw(t, 0, to)); e > 3 {
		t.Errorf("the clone differs by %.2f levels", e)
	}
	if err := clone.Close(); err != nil {
		t.Error(err)
	}
	if err := clone.Close(); err == nil {
		t.Error("closed twice without a word")
	}
}

func TestDecodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	packets := clip(t, video(decode.VP8, 320, 240), 30)
	d := newDecoder(t, ffmpeg.Config{Codec: decode.VP8})
	to := pipeline.Format{Layout: pipeline.BGR24, Width: 320, Height: 240}
	stride, size := layout(to)
	dst := make([]byte, size)
	n := 0
	var au decode.AccessUnit
	got := testing.AllocsPerRun(200, func() {
		au = decode.AccessUnit{Codec: decode.VP8, Data: packets[n].Data, Keyframe: packets[n].Keyframe}
		n = (n + 1) % len(packets)
		pictures, err := d.Decode(&au)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pictures {
			if err := p.Image.(pipeline.Converter).ConvertTo(pointer(dst), stride, to); err != nil {
				t.Fatal(err)
			}
			p.Image.Close()
		}
	})
	if got > 0 {
		t.Errorf("got %v allocations per picture", got)
	}
}
