package ffmpeg_test

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/oggreader"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

// opusPackets are a second of sound, 20 ms each.
func opusPackets(t *testing.T, source string) [][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.ogg")
	ffmpegCommand(t, "-f", "lavfi", "-i", source, "-t", "1", "-c:a", "libopus", "-b:a", "96k", "-page_duration", "1", path)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, _, err := oggreader.NewWith(file)
	if err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	for {
		page, _, err := r.ParseNextPage()
		if errors.Is(err, io.EOF) {
			return packets[1:] // without the comments
		}
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, page)
	}
}

// amplitude is how loud a frequency is in samples of one channel.
func amplitude(samples []float64, hertz float64) float64 {
	var re, im float64
	for i, v := range samples {
		at := 2 * math.Pi * hertz * float64(i) / 48000
		re, im = re+v*math.Cos(at), im+v*math.Sin(at)
	}
	return 2 * math.Hypot(re, im) / float64(len(samples))
}

// A tone of Opus is that tone, in both channels, with the times of its packets.
func TestSound(t *testing.T) {
	for name, source := range map[string]string{
		"stereo": "sine=frequency=1000:sample_rate=48000,volume=4,pan=stereo|c0=c0|c1=0*c0",
		"mono":   "sine=frequency=1000:sample_rate=48000,volume=4",
	} {
		t.Run(name, func(t *testing.T) {
			d, err := ffmpeg.NewSoundDecoder(decode.Opus)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			channels := [2][]float64{}
			packets := opusPackets(t, source)
			if len(packets) < 50 {
				t.Fatalf("%d packets", len(packets))
			}
			for i, p := range packets {
				at := time.Duration(i) * 20 * time.Millisecond
				sound, err := d.DecodeSound(&decode.AccessUnit{Codec: decode.Opus, Data: p, PTS: at})
				if err != nil {
					t.Fatal(err)
				}
				if sound.PTS != at || sound.Rate != 48000 || sound.Channels != 2 {
					t.Errorf("packet %d: %v, %d Hz, %d channels", i, sound.PTS, sound.Rate, sound.Channels)
				}
				if i > 2 && sound.Duration() != 20*time.Millisecond {
					t.Errorf("packet %d lasts %v", i, sound.Duration())
				}
				for j, v := range sound.Samples {
					channels[j%2] = append(channels[j%2], float64(v)/32768)
				}
			}
			for i, c := range channels {
				want := 0.5 // sine is an eighth of full scale
				if name == "stereo" && i == 1 {
					want = 0
				}
				middle := c[4800 : 4800+24000]
				if got := amplitude(middle, 1000); math.Abs(got-want) > 0.05 {
					t.Errorf("channel %d: amplitude %.3f, want %.2f", i, got, want)
				}
				if got := amplitude(middle, 1500); got > 0.01 {
					t.Errorf("channel %d: another tone of %.3f", i, got)
				}
			}
		})
	}
}

// Garbage is an error, and the next packet is decoded.
func TestSoundOfGarbage(t *testing.T) {
	d, err := ffmpeg.NewSoundDecoder(decode.Opus)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	silence := []byte{0xf8, 0xff, 0xfe}
	for _, garbage := range [][]byte{{0xff}, {3, 0xff, 0, 1}, make([]byte, 3000)} {
		_, _ = d.DecodeSound(&decode.AccessUnit{Data: garbage}) // what counts is that it lives
		sound, err := d.DecodeSound(&decode.AccessUnit{Data: silence})
		if err != nil || sound.Duration() != 20*time.Millisecond {
			t.Errorf("after %x: got %v, %v", garbage[:1], sound.Duration(), err)
		}
	}
	if _, err := ffmpeg.NewSoundDecoder(decode.VP8); err == nil || err.Error() != `codec: must be opus, got "vp8"` {
		t.Errorf("got %v", err)
	}
}
