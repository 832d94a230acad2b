package clip_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/clip"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// A clip has the sound to its pictures, from before its event on, be that a little
// ahead of them or behind: here a tone between the third and the fourth second, and
// an event at four.
func TestClipHasSound(t *testing.T) {
	for _, ahead := range []time.Duration{100 * time.Millisecond, -100 * time.Millisecond} {
		t.Run(fmt.Sprint(ahead, " ahead"), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.mkv")
			clipWithSound(t, path, ahead)
			first, last := loud(t, path)
			if want := time.Second; (first-want).Abs() > 40*time.Millisecond || (last-2*want).Abs() > 40*time.Millisecond {
				t.Errorf("the clip, which begins at 2 s, is loud from %v to %v, want 1s to 2s", first, last)
			}
		})
	}
}

func clipWithSound(t *testing.T, path string, ahead time.Duration) {
	t.Helper()
	cfg := clip.Default()
	cfg.Path = outfile.Path(path)
	cfg.Before, cfg.After = config.Duration(2*time.Second), config.Duration(time.Second)
	s, err := clip.New(pipeline.Env{
		Name: "clip", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Audio: true,
	}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sound := packets(t, 6*time.Second, func(at time.Duration) bool { return at >= 3*time.Second && at < 4*time.Second })
	for i, u := range units(t, decode.VP8, time.Second, 60, 64) {
		for len(sound) > 0 && sound[0].PTS < u.PTS+ahead {
			if err := s.(pipeline.AudioSink).WriteAudio(t.Context(), sound[0]); err != nil {
				t.Fatal(err)
			}
			sound = sound[1:]
		}
		if err := s.(pipeline.UnitSink).WriteUnit(t.Context(), u); err != nil && !errors.Is(err, pipeline.ErrNeedKeyframe) {
			t.Fatal(err)
		}
		if i == 40 {
			f := pipeline.NewFrame(pipeline.Meta{PTS: u.PTS}, nil)
			if err := errors.Join(s.Write(t.Context(), f), f.Release()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// packets is sound that is loud when so says.
func packets(t *testing.T, length time.Duration, so func(time.Duration) bool) (all []pipeline.Audio) {
	t.Helper()
	e, err := encoder.NewSoundEncoder(96_000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	samples := make([]int16, encode.SoundSamples*encode.SoundChannels)
	for at := time.Duration(0); at < length; at += encode.SoundLength {
		for i := range samples {
			samples[i] = 0
			if so(at) {
				samples[i] = int16(12_000 * (1 - 2*(i/encode.SoundChannels/24%2))) // 1 kHz
			}
		}
		data, err := e.EncodeSound(samples)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pipeline.Audio{Codec: "opus", Data: slices.Clone(data), PTS: at, Duration: encode.SoundLength})
	}
	return all
}

// loud returns when the sound of a file becomes loud, and when it is so for the
// last time.
func loud(t *testing.T, path string) (first, last time.Duration) {
	t.Helper()
	f, err := decoder.OpenSoundFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first = -1
	for {
		s, err := f.Next()
		if errors.Is(err, io.EOF) {
			return first, last
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(s.Samples); i += encode.SoundChannels {
			if s.Samples[i] < 4000 {
				continue
			}
			last = s.PTS + time.Duration(i/encode.SoundChannels)*time.Second/encode.SoundRate
			if first < 0 {
				first = last
			}
		}
	}
}
