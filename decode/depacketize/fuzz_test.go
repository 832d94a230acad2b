package depacketize_test

import (
	"testing"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
)

func FuzzVP8(f *testing.F)  { fuzz(f, decode.VP8) }
func FuzzVP9(f *testing.F)  { fuzz(f, decode.VP9) }
func FuzzH264(f *testing.F) { fuzz(f, decode.H264) }
func FuzzH265(f *testing.F) { fuzz(f, decode.H265) }
func FuzzAV1(f *testing.F)  { fuzz(f, decode.AV1) }
func FuzzOpus(f *testing.F) { fuzz(f, decode.Opus) }

// fuzz feeds packets made of the input: a byte of flags, a byte of length, the
// payload. The seeds are a keyframe and two pictures behind it, whole and without
// their second packet.
func fuzz(f *testing.F, codec decode.Codec) {
	f.Helper()
	s := newSender(codec)
	var whole, torn []byte
	for n := range 3 {
		for i, p := range s.packets(coded(codec, n == 0, 150)) {
			flags := byte(n) << 4
			if p.Marker {
				flags |= 1
			}
			whole = append(append(whole, flags, byte(len(p.Payload))), p.Payload...)
			if i == 2 {
				flags |= 2
			}
			if i != 1 {
				torn = append(append(torn, flags, byte(len(p.Payload))), p.Payload...)
			}
		}
	}
	f.Add(whole)
	f.Add(torn)
	f.Fuzz(func(t *testing.T, in []byte) { depacketizeAll(t, codec, in) })
}

// depacketizeAll checks that whatever comes out is bounded and no empty unit.
func depacketizeAll(t *testing.T, codec decode.Codec, in []byte) {
	t.Helper()
	const limit = 1000
	d := newDepacketizer(t, codec, depacketize.Config{MaxBytes: limit})
	for len(in) >= 2 {
		flags, size := in[0], min(int(in[1]), len(in)-2)
		p := decode.Packet{
			Packet:  &rtp.Packet{Header: rtp.Header{Marker: flags&1 != 0, Timestamp: uint32(flags >> 4)}, Payload: in[2 : 2+size]},
			Lost:    int(flags >> 1 & 1),
			Restart: flags&0x0c == 0x0c,
		}
		in = in[2+size:]
		depacketize.BeginsKeyframe(codec, p.Payload)
		d.Follows(p.Packet)
		for _, au := range d.Push(p) {
			if len(au.Data) == 0 && au.UserData == nil && au.FrameID == 0 {
				t.Fatal("an empty unit")
			}
			if len(au.Data) > 4*limit {
				t.Fatalf("a unit of %d bytes", len(au.Data))
			}
		}
	}
}
