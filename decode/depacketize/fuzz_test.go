package depacketize_test

import (
	"testing"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
)

// FuzzDepacketizer feeds packets made of the input: a byte of flags, a byte of
// length, the payload.
func FuzzDepacketizer(f *testing.F) {
	for i, codec := range decode.Codecs() {
		s := newSender(codec)
		var in []byte
		for n := range 3 {
			for _, p := range s.packets(coded(codec, n == 0, 150)) {
				flags := byte(n) << 4
				if p.Marker {
					flags |= 1
				}
				in = append(in, flags, byte(len(p.Payload)))
				in = append(in, p.Payload...)
			}
		}
		f.Add(byte(i), in)
	}
	f.Fuzz(func(t *testing.T, codec byte, in []byte) {
		const limit = 1000
		c := decode.Codecs()[int(codec)%len(decode.Codecs())]
		d := newDepacketizer(t, c, depacketize.Config{MaxBytes: limit})
		for len(in) >= 2 {
			flags, size := in[0], min(int(in[1]), len(in)-2)
			p := decode.Packet{
				Packet:  &rtp.Packet{Header: rtp.Header{Marker: flags&1 != 0, Timestamp: uint32(flags >> 4)}, Payload: in[2 : 2+size]},
				Lost:    int(flags >> 1 & 1),
				Restart: flags&0x0c == 0x0c,
			}
			in = in[2+size:]
			for _, au := range d.Push(p) {
				if len(au.Data) == 0 && au.UserData == nil && au.FrameID == 0 {
					t.Fatal("an empty unit")
				}
				if len(au.Data) > 4*limit {
					t.Fatalf("a unit of %d bytes", len(au.Data))
				}
			}
		}
	})
}
