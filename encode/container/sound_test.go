package container_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// loud returns packets of a steady square wave.
func loud(t *testing.T, n int) [][]byte {
	t.Helper()
	e, err := encoder.NewSoundEncoder(96_000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	samples := make([]int16, encode.SoundSamples*encode.SoundChannels)
	for i := range samples {
		samples[i] = 12_000
		if i/encode.SoundChannels/48%2 == 0 {
			samples[i] = -12_000
		}
	}
	var out [][]byte
	for range n {
		packet, err := e.EncodeSound(samples)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(packet))
	}
	return out
}

// heard tells the spans of a file's sound that are loud, to 50 ms, and how long
// all of it is. It fails where there is a gap.
func heard(t *testing.T, path string) (spans []string, length time.Duration) {
	t.Helper()
	f, err := decoder.OpenSoundFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const pause, step = 20 * time.Millisecond, 50 * time.Millisecond
	var begin, end time.Duration = -1, -1
	for {
		s, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if off := s.PTS - length; off > 3*time.Millisecond || off < -3*time.Millisecond {
			t.Errorf("%s: a gap: %v follows %v", path, s.PTS, length)
		}
		for i := 0; i < len(s.Samples); i += 2 {
			at := s.PTS + time.Duration(i/2)*time.Second/48_000
			switch {
			case s.Samples[i] < 3000:
			case begin >= 0 && at-end < pause:
				end = at
			default:
				if begin >= 0 {
					spans = append(spans, fmt.Sprint(begin.Round(step), "-", end.Round(step)))
				}
				begin, end = at, at
			}
		}
		length = s.PTS + s.Duration()
	}
	if begin >= 0 {
		spans = append(spans, fmt.Sprint(begin.Round(step), "-", end.Round(step)))
	}
	return spans, length
}

// Sound stands where it belongs, on the pictures' clock. What is missing is
// silence: in the middle, behind a second of waiting, and at the end.
func TestSound(t *testing.T) {
	zero := pts(0)
	tests := []struct {
		name   string
		sounds []time.Duration // when 200 ms of sound each begin, after zero
		want   []string
	}{
		{"none", nil, nil},
		{
			"two, and one that began before the picture",
			[]time.Duration{-100 * time.Millisecond, 500 * time.Millisecond, 1503 * time.Millisecond},
			[]string{"0s-100ms", "500ms-700ms", "1.5s-1.7s"},
		},
		{"packets that come twice", []time.Duration{500 * time.Millisecond, 600 * time.Millisecond}, []string{"500ms-800ms"}},
	}
	for codec, file := range map[decode.Codec]string{decode.VP8: "a.mkv", decode.H264: "a.mp4"} {
		video := packets(t, codec, time.Second, 90)
		for _, tt := range tests {
			t.Run(tt.name+" in "+file, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), file)
				m, err := container.Create(path, container.Config{Codec: codec, Width: width, Height: height, FPS: fps, Audio: true})
				if err != nil {
					t.Fatal(err)
				}
				var track container.Soundtrack
				for _, begin := range tt.sounds {
					for i, data := range loud(t, 10) {
						track.Add(pipeline.Audio{
							Codec: "opus", Data: data, PTS: zero + begin + time.Duration(i)*encode.SoundLength, Duration: encode.SoundLength,
						})
					}
				}
				for _, p := range video {
					for _, a := range track.Before(p.PTS) {
						if err := m.WriteAudio(a); err != nil {
							t.Fatal(err)
						}
					}
					if err := m.Write(p); err != nil {
						t.Fatal(err)
					}
				}
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				got, length := heard(t, path)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("loud (-want +got):\n%s", diff)
				}
				if off := (length - video[89].PTS + zero).Abs(); off > 5*time.Millisecond {
					t.Errorf("%v of sound, %v of pictures", length, video[89].PTS-zero)
				}
			})
		}
	}
}

// Sound that is nothing to be relayed is refused, and none is taken by a file
// that was not declared to have some.
func TestSoundRefused(t *testing.T) {
	for _, audio := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "a.mkv")
		m, err := container.Create(path, container.Config{Codec: decode.VP8, Width: width, Height: height, FPS: fps, Audio: audio})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Write(packets(t, decode.VP8, 0, 1)[0]); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := m.WriteAudio(pipeline.Audio{Codec: "aac", Data: []byte{1}, Duration: time.Second}); err != nil {
			got = err.Error()
		}
		want := ""
		if audio {
			want = "write " + path + `: sound must be opus, got "aac"`
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := decoder.OpenSoundFile(path); (err == nil) != audio {
			t.Errorf("sound in the file: %v", err)
		}
	}
}
