package ingest

import (
	"errors"
	"fmt"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// TrackConfig is the source that receives and decodes a track of the session.
type TrackConfig struct {
	// Track is the name of the model's output track.
	Track string `yaml:"track"`
	// Codecs to offer, the most wanted first. The server's order decides among
	// them. With av1 among them no frame metadata (number, capture time, user data)
	// is asked for, which AV1 cannot carry.
	Codecs []string `yaml:"codecs" oneof:"vp8,vp9,h264,h265,av1"`
	// Audio is the name of the output track with the sound to the picture, for
	// sinks that take it. What comes before the first picture is left out.
	Audio string `yaml:"audio"`

	Receiving `yaml:",inline"`
}

func defaultTrack() TrackConfig {
	return TrackConfig{
		Codecs:    []string{string(decode.VP8), string(decode.VP9), string(decode.H264)},
		Receiving: defaultReceiving(),
	}
}

// Validate reports every field that is wrong.
func (c *TrackConfig) Validate() error {
	var errs []error
	if c.Track == "" {
		errs = append(errs, errors.New("track: must be the name of one of the model's tracks"))
	}
	if len(c.Codecs) == 0 {
		errs = append(errs, errors.New("codecs: must name at least one codec"))
	}
	for _, name := range c.Codecs {
		codec, err := decode.ParseCodec(name)
		if err != nil || !codec.Video() {
			errs = append(errs, fmt.Errorf("codecs: must be vp8, vp9, h264, h265 or av1, got %q", name))
		}
	}
	return errors.Join(append(errs, c.problems()...)...)
}

// SessionUse says which tracks are received.
func (c *TrackConfig) SessionUse() pipeline.Use {
	use := pipeline.Use{Receives: []string{c.Track}}
	if c.HasAudio() {
		use.ReceivesAudio = []string{c.Audio}
	}
	return use
}

// HasAudio says whether sound is received.
func (c *TrackConfig) HasAudio() bool { return c.Audio != "" }

var _ pipeline.AudioUser = (*TrackConfig)(nil)

// CodecNames returns the codecs to offer, in order.
func (c *TrackConfig) CodecNames() []string {
	names := make([]string, len(c.Codecs))
	for i, name := range c.Codecs {
		codec, _ := decode.ParseCodec(name) // Validate has seen it
		names[i] = string(codec)
	}
	return names
}
