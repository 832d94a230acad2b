package depacketize_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
)

// BenchmarkDepacketize takes packets through the jitter buffer into access
// units, 4 Mbit/s at 30 fps, a keyframe a second. An operation is a picture.
func BenchmarkDepacketize(b *testing.B) {
	networks := []struct {
		name  string
		apply func(packets []*rtp.Packet) []*rtp.Packet
	}{
		{"clean", func(p []*rtp.Packet) []*rtp.Packet { return p }},
		{"loss", func(p []*rtp.Packet) []*rtp.Packet {
			i := 0
			return slices.DeleteFunc(slices.Clone(p), func(*rtp.Packet) bool { i++; return i%100 == 0 })
		}},
		{"reorder", func(p []*rtp.Packet) []*rtp.Packet {
			p = slices.Clone(p)
			for i := 0; i+5 < len(p); i += 10 {
				p[i], p[i+5] = p[i+5], p[i]
			}
			return p
		}},
	}
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264} {
		for _, network := range networks {
			b.Run(string(codec)+"/"+network.name, func(b *testing.B) {
				packets := network.apply(second(codec))
				benchmark(b, codec, packets)
			})
		}
	}
}

const picturesPerSecond = 30

// second returns the packets of one second of video.
func second(codec decode.Codec) []*rtp.Packet {
	s := newSender(codec)
	s.mtu, s.seq = 1188, 0
	var out []*rtp.Packet
	for i := range picturesPerSecond {
		size := 14_000
		if i == 0 {
			size = 90_000
		}
		for _, p := range s.packets(coded(codec, i == 0, size)) {
			out = append(out, p.Packet)
		}
	}
	return out
}

func benchmark(b *testing.B, codec decode.Codec, packets []*rtp.Packet) {
	buffer := jitter.New(jitter.Config{})
	d := newDepacketizer(b, codec, depacketize.Config{})
	length := packets[len(packets)-1].SequenceNumber + 1
	now := arrival
	units := 0
	b.ReportAllocs()
	for n := 0; n < b.N; n += picturesPerSecond {
		for _, p := range packets {
			now = now.Add(time.Millisecond)
			buffer.Push(p, now)
			for {
				in, ok := buffer.Pop(now)
				if !ok {
					break
				}
				units += len(d.Push(in))
			}
		}
		for _, p := range packets { // on to the next second
			p.SequenceNumber += length
			p.Timestamp += 90_000
		}
	}
	b.ReportMetric(float64(units)/float64(b.N), "units/op")
}
