package encode_test

import (
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
)

func TestValidate(t *testing.T) {
	good := encode.Config{Codec: decode.H264, Width: 640, Height: 480, FPS: 30}
	tests := []struct {
		name   string
		change func(*encode.Config)
		want   string
	}{
		{"good", func(*encode.Config) {}, ""},
		{"no codec", func(c *encode.Config) { c.Codec = "" }, `codec: must be a video codec, got ""`},
		{"audio", func(c *encode.Config) { c.Codec = decode.Opus }, `codec: must be a video codec, got "opus"`},
		{"odd width", func(c *encode.Config) { c.Width = 641 }, "width, height: must be even and positive, got 641x480"},
		{"no height", func(c *encode.Config) { c.Height = 0 }, "width, height: must be even and positive, got 640x0"},
		{"two mistakes", func(c *encode.Config) { c.FPS, c.Bitrate = 0, -1 }, "fps: must be positive, got 0\nbitrate: must not be negative, got -1"},
		{"device", func(c *encode.Config) { c.Device = "cuda:1" }, ""},
		{"another device", func(c *encode.Config) { c.Device = "vaapi" }, `device: must be auto, cpu, or cuda, as in cuda:1, got "vaapi"`},
		{"the cpu is required", func(c *encode.Config) { c.Require = true }, "require: must go with a device that is not the cpu"},
		{"interval", func(c *encode.Config) { c.KeyframeInterval = -time.Second }, "keyframe_interval: must not be negative, got -1s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
