package sim

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// newBeat makes a second of sound that begins with a short tone.
func newBeat() (clip *sessiontest.Clip, err error) {
	const bitrate, hertz, loud, length = 64_000, 880, 8000, 50 * time.Millisecond
	e, err := ffmpeg.NewSoundEncoder(bitrate)
	if err != nil {
		return nil, fmt.Errorf("sound: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	clip = &sessiontest.Clip{Codec: "opus", FPS: float64(time.Second / encode.SoundLength)}
	samples := make([]int16, encode.SoundSamples*encode.SoundChannels)
	for from := time.Duration(0); from < time.Second; from += encode.SoundLength {
		clear(samples)
		for i := range samples {
			if at := from + time.Duration(i/encode.SoundChannels)*time.Second/encode.SoundRate; at < length {
				samples[i] = int16(loud * math.Sin(2*math.Pi*hertz*at.Seconds()))
			}
		}
		packet, err := e.EncodeSound(samples)
		if err != nil {
			return nil, fmt.Errorf("sound: %w", err)
		}
		clip.Frames = append(clip.Frames, bytes.Clone(packet))
	}
	return clip, nil
}
