package decode_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
)

func TestParseCodec(t *testing.T) {
	tests := []struct {
		in   string
		want decode.Codec
		err  string
	}{
		{"vp8", decode.VP8, ""},
		{"VP9", decode.VP9, ""},
		{"video/H264", decode.H264, ""},
		{"audio/opus", decode.Opus, ""},
		{"h266", "", `unknown codec "h266": must be one of vp8, vp9, h264, h265, av1, opus`},
		{"", "", `unknown codec "": must be one of vp8, vp9, h264, h265, av1, opus`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := decode.ParseCodec(tt.in)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if message(err) != tt.err {
				t.Errorf("got error %q, want %q", message(err), tt.err)
			}
		})
	}
}

func TestCodecsAreComplete(t *testing.T) {
	for _, c := range decode.Codecs() {
		back, err := decode.ParseCodec(c.MIMEType())
		if err != nil || back != c {
			t.Errorf("%s: media type %q parses to %q, %v", c, c.MIMEType(), back, err)
		}
		if c.ClockRate() == 0 {
			t.Errorf("%s has no clock rate", c)
		}
		if c.Video() == (c == decode.Opus) {
			t.Errorf("%s: Video is %t", c, c.Video())
		}
	}
	if decode.Codec("").Video() {
		t.Error("the zero codec is no video codec")
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
