package container_test

import (
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode/container"
)

func TestSize(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264} {
		t.Run(string(codec), func(t *testing.T) {
			ps := packets(t, codec, time.Second, 2)
			w, h, err := container.Size(codec, ps[0].Data)
			if w != width || h != height || err != nil {
				t.Errorf("got %d × %d, %v", w, h, err)
			}
		})
	}
	tests := []struct {
		codec decode.Codec
		data  string
		want  string
	}{
		{decode.VP8, "", "size of a keyframe of vp8: no keyframe"},
		{decode.VP8, "\x00\x00\x00\x9d\x01\x2a\x00\x00\x00\x40", "size of a keyframe of vp8: is 0 × 0"},
		{decode.H264, "\x00\x00\x01\x65\x88", "size of a keyframe of h264: no sequence parameter set"},
		{decode.Opus, "x", "size of a keyframe of opus: is not known"},
	}
	for _, tt := range tests {
		if _, _, err := container.Size(tt.codec, []byte(tt.data)); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// FuzzSize checks that no keyframe, however broken, is more than an error.
func FuzzSize(f *testing.F) {
	f.Add(0, []byte("\x00\x00\x00\x9d\x01\x2a\x40\x00\x40\x00"))
	f.Add(1, []byte("\x82\x49\x83\x42\x00\x01\xf0\x01\xf6"))
	f.Add(2, []byte("\x00\x00\x01\x67\x42\xc0\x1f\xda\x01\x40\x16\xe9"))
	codecs := []decode.Codec{decode.VP8, decode.VP9, decode.H264}
	f.Fuzz(func(t *testing.T, codec int, data []byte) {
		w, h, err := container.Size(codecs[uint(codec)%3], data)
		if err == nil && (w <= 0 || h <= 0) {
			t.Errorf("got %d × %d", w, h)
		}
	})
}
