package depacketize_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
)

func TestBeginsKeyframe(t *testing.T) {
	h264 := append([]byte{0, 0, 0, 1, 0x67, 0x42, 0, 0x1f, 0, 0, 0, 1, 0x68, 1, 2}, coded(decode.H264, true, 300)...)
	h265 := append([]byte{0, 0, 0, 1, 0x42, 1, 1, 1, 0, 0, 0, 1, 0x44, 1, 2}, coded(decode.H265, true, 300)...)
	frames := map[decode.Codec][2][]byte{
		decode.VP8:  {coded(decode.VP8, true, 300), coded(decode.VP8, false, 300)},
		decode.VP9:  {coded(decode.VP9, true, 300), coded(decode.VP9, false, 300)},
		decode.H264: {h264, coded(decode.H264, false, 300)},
		decode.H265: {h265, coded(decode.H265, false, 300)},
		decode.AV1:  {coded(decode.AV1, true, 300), coded(decode.AV1, false, 300)},
	}
	for codec, pair := range frames {
		s := newSender(codec)
		for i, frame := range pair {
			for n, p := range s.packets(frame) {
				got := depacketize.BeginsKeyframe(codec, p.Payload)
				if want := i == 0 && n == 0; got != want {
					t.Errorf("%s, keyframe %t, packet %d: got %t", codec, i == 0, n, got)
				}
			}
		}
		if depacketize.BeginsKeyframe(codec, nil) {
			t.Errorf("%s: padding begins nothing", codec)
		}
	}
}

// Between two pictures whose numbers follow one another nothing is missing.
func TestFollows(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264} {
		s, d := newSender(codec), newDepacketizer(t, codec, depacketize.Config{})
		numbered := codec != decode.H264
		first, second, third := s.packets(coded(codec, true, 300)), s.packets(coded(codec, false, 300)), s.packets(coded(codec, false, 300))
		for i, p := range first {
			if d.Follows(second[0].Packet) {
				t.Errorf("%s: follows, before packet %d of the picture before", codec, i)
			}
			d.Push(p)
		}
		if got := d.Follows(second[0].Packet); got != numbered {
			t.Errorf("%s: the next picture follows: %t, want %t", codec, got, numbered)
		}
		if d.Follows(second[1].Packet) || d.Follows(third[0].Packet) {
			t.Errorf("%s: what is in the middle, or one too far, does not follow", codec)
		}
	}
}
