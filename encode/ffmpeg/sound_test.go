package ffmpeg_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
)

// What is encoded sounds like it was, a packet for each 20 ms and none held back.
func TestSoundEncoder(t *testing.T) {
	e, err := ffmpeg.NewSoundEncoder(96_000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	d, err := decoder.NewSoundDecoder(decode.Opus)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const hertz, loud, packets = 1000, 12_000, 25
	var left []float64
	samples := make([]int16, encode.SoundSamples*encode.SoundChannels)
	for n := range packets {
		for i := range encode.SoundSamples {
			at := float64(n*encode.SoundSamples+i) / encode.SoundRate
			samples[2*i], samples[2*i+1] = int16(loud*math.Sin(2*math.Pi*hertz*at)), 0
		}
		packet, err := e.EncodeSound(samples)
		if err != nil {
			t.Fatal(err)
		}
		sound, err := d.DecodeSound(&decode.AccessUnit{Codec: decode.Opus, Data: slices.Clone(packet)})
		if err != nil || sound.Duration() != encode.SoundLength {
			t.Fatalf("packet %d: %v, %v", n, sound.Duration(), err)
		}
		for i := 0; i < len(sound.Samples); i += 2 {
			left = append(left, float64(sound.Samples[i]))
		}
	}
	var re, im float64
	steady := left[len(left)/2:]
	for i, v := range steady {
		at := 2 * math.Pi * hertz * float64(i) / encode.SoundRate
		re, im = re+v*math.Cos(at), im+v*math.Sin(at)
	}
	if got := 2 * math.Hypot(re, im) / float64(len(steady)); got < 0.9*loud || got > 1.1*loud {
		t.Errorf("amplitude %.0f, want %d", got, loud)
	}
}

func TestSoundEncoderRefuses(t *testing.T) {
	e, err := ffmpeg.NewSoundEncoder(64_000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.EncodeSound(make([]int16, 7)); err == nil || err.Error() != "encode opus: must be 1920 samples, got 7" {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
}
