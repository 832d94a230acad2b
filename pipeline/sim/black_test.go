package sim

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// A black picture is as large as the one whose place it takes, whoever encodes it.
func TestBlackIsAsLargeAsThePicture(t *testing.T) {
	tests := []struct {
		name          string
		cfg           Config
		width, height int
	}{
		{"vp8", Config{Codec: "vp8", Width: 320, Height: 240}, 320, 240},
		{"vp9", Config{Codec: "vp9", Width: 322, Height: 182}, 322, 182},
		{"h264", Config{Codec: "h264", Width: 640, Height: 360}, 640, 360},
		{"a loop", Config{Loop: "../../configs/street.mp4"}, 768, 576},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.cfg)
			v := watch(t, connect(t, s, sdk.Config{}), "main_video")
			v.until(func(c colour) bool { return c.light() > 20 })
			s.server.Show(sessiontest.Black)
			v.until(func(c colour) bool { return c.light() < 5 })
			if m := v.next(); m.Cols() != tt.width || m.Rows() != tt.height {
				t.Errorf("%dx%d, want %dx%d", m.Cols(), m.Rows(), tt.width, tt.height)
			}
		})
	}
}
