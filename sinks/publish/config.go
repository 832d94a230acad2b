// Package publish is the sink that sends its pictures back into the model, as
// one of the tracks that the model takes.
package publish

import (
	"errors"
	"fmt"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Config says what is sent, and how.
type Config struct {
	// Track of the model that the pictures go into; it may be left out where only
	// sound is sent.
	Track string `yaml:"track"`
	// AudioTrack is the track of the model that the sound of `audio` goes into, as
	// it came: Opus. Beside pictures it waits for them.
	AudioTrack string `yaml:"audio_track"`
	// Codec to send. Where nothing is said the answer to the session's offer
	// decides.
	Codec decode.Codec `yaml:"codec" oneof:"vp8,vp9,h264,av1"`
	// FPS is how many pictures a second are sent at most.
	FPS config.Rate `yaml:"fps"`
	// Width that pictures are scaled to, in pixels. 0 keeps the proportions, or
	// with height the size. An odd one loses a column.
	Width int `yaml:"width"`
	// Height that pictures are scaled to, in pixels. 0 keeps the proportions, or
	// with width the size. An odd one loses a row.
	Height int `yaml:"height"`
	// Bitrate that is aimed at; the connection may bring it down for a while.
	Bitrate config.Bitrate `yaml:"bitrate"`
	// Repeat is how long the last picture is sent again, at the rate of `fps`,
	// when no other comes; 0 does not.
	Repeat config.Duration `yaml:"repeat"`
	// Idle is how long nothing may come before the tracks are given back, for
	// others to publish on; 0 keeps them. What comes next claims them again.
	Idle config.Duration `yaml:"idle"`
	// Group is a name for several tracks that belong together: pictures that sinks
	// of a group make of one frame carry one capture time. Without it a picture has
	// the capture time of its frame, if that has one.
	Group string `yaml:"group"`
	// Device is where pictures are encoded: cpu, auto (a graphics card where one
	// encodes the codec, else cpu), cuda, or cuda:1 for the second card. A picture
	// is encoded for a trial; where that fails, and where the card fails later,
	// the cpu takes over, which is logged. Cards encode H.264.
	Device decode.Device `yaml:"device"`
	// Require refuses to begin on the cpu where a device is named.
	Require bool `yaml:"require"`
	// UserData goes with each picture where the model understands frame
	// metadata: {{ frame.user_data }} passes on what the frame came with. Texts
	// are sent as they are, other values as JSON.
	UserData expr.Template `yaml:"user_data"`
	// Key is what the picture is called for a pair stage that waits for replies to
	// it; by default its user data.
	Key expr.Template `yaml:"key"`
}

// Default is 30 pictures a second at 2 Mbit/s.
func Default() Config { return Config{FPS: 30, Bitrate: 2_000_000, Device: decode.CPU} }

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if c.Track == "" && c.AudioTrack == "" {
		return errors.New("track: is required, or audio_track")
	}
	switch c.Codec {
	case "", decode.VP8, decode.VP9, decode.H264, decode.AV1:
	default:
		return fmt.Errorf("codec: must be vp8, vp9, h264 or av1, got %q", string(c.Codec))
	}
	if c.FPS <= 0 {
		return fmt.Errorf("fps: must be positive, got %g", float64(c.FPS))
	}
	if c.Width < 0 || c.Height < 0 {
		return fmt.Errorf("width, height: must not be negative, got %dx%d", c.Width, c.Height)
	}
	if c.Bitrate < minBitrate {
		return fmt.Errorf("bitrate: must be at least %d, got %s", minBitrate, c.Bitrate)
	}
	if c.Repeat < 0 || c.Idle < 0 {
		return fmt.Errorf("repeat, idle: must not be negative, got %s, %s", c.Repeat, c.Idle)
	}
	return encode.CheckDevice(c.Device, c.Require)
}

// size returns the size that a picture is sent in.
func (c *Config) size(width, height int) (w, h int) {
	switch {
	case c.Width > 0 && c.Height > 0:
		width, height = c.Width, c.Height
	case c.Width > 0:
		width, height = c.Width, height*c.Width/width
	case c.Height > 0:
		width, height = width*c.Height/height, c.Height
	}
	return encode.EvenDown(width), encode.EvenDown(height)
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "publish", Default: Default, New: New, Session: true,
		Audio: true, Pixels: pipeline.Pixels{Read: pipeline.Native},
		Queue: pipeline.Queue{Depth: 1, OnFull: pipeline.DropOldest}, // late pictures are worth nothing
	})
}

// Audio says whether sound is sent.
func (c *Config) Audio() bool { return c.AudioTrack != "" }

// Pixels says whether pictures are.
func (c *Config) Pixels() pipeline.Pixels {
	if c.Track == "" {
		return pipeline.Pixels{}
	}
	return pipeline.Pixels{Read: pipeline.Native}
}

// SessionUse says which tracks are sent.
func (c *Config) SessionUse() (use pipeline.Use) {
	if c.Track != "" {
		use.Publishes = []string{c.Track}
	}
	if c.AudioTrack != "" {
		use.PublishesAudio = []string{c.AudioTrack}
	}
	return use
}
