package decode_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
)

func TestDevice(t *testing.T) {
	const allowed = "must be auto, cpu, or one of cuda, vaapi, qsv, videotoolbox, d3d11va, dxva2, vdpau, drm, mediacodec, vulkan, as in cuda or cuda:1, got "
	tests := []struct {
		in, kind, which string
		err             string
	}{
		{"", "", "", ""},
		{"cpu", "cpu", "", ""},
		{"auto", "auto", "", ""},
		{"cuda", "cuda", "", ""},
		{"cuda:1", "cuda", "1", ""},
		{"vaapi:/dev/dri/renderD128", "vaapi", "/dev/dri/renderD128", ""},
		{"gpu", "gpu", "", allowed + `"gpu"`},
		{"cuda:", "cuda", "", allowed + `"cuda:"`},
		{"cpu:1", "cpu", "1", allowed + `"cpu:1"`},
		{"CUDA", "CUDA", "", allowed + `"CUDA"`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			d := decode.Device(tt.in)
			if kind, which := d.Split(); kind != tt.kind || which != tt.which {
				t.Errorf("got %q and %q", kind, which)
			}
			if got := message(d.Check()); got != tt.err {
				t.Errorf("got %q, want %q", got, tt.err)
			}
		})
	}
}
