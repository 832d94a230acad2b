package ingest

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// sender makes packets of pictures as a model's server does. It starts just
// before its sequence numbers and timestamps wrap.
type sender struct {
	t         testing.TB
	clip      *sessiontest.Clip
	payloader rtp.Payloader
	epoch     int
	ssrc      uint32
	seq       uint16
	timestamp uint32
	next      int // frame of the clip after the last one
}

// ticksPerFrame is 1/30 s of the video clock.
const ticksPerFrame = 3000

func newSender(t testing.TB, codec string) *sender {
	s := &sender{t: t, epoch: 1, ssrc: 7, seq: 65530, timestamp: 1<<32 - 2*ticksPerFrame}
	s.switchTo(codec)
	return s
}

func (s *sender) switchTo(codec string) {
	switch codec {
	case "vp8":
		s.clip, s.payloader = sessiontest.VP8Clip(), &codecs.VP8Payloader{EnablePictureID: true}
	case "vp9":
		s.clip, s.payloader = sessiontest.VP9Clip(), &codecs.VP9Payloader{}
	case "h264":
		s.clip, s.payloader = sessiontest.H264Clip(), &codecs.H264Payloader{}
	default:
		s.t.Fatalf("no clip in %s", codec)
	}
	s.next = 0
}

// restart makes the sender number anew.
func (s *sender) restart(ssrc uint32) {
	s.ssrc, s.seq, s.timestamp = ssrc, 400, 1_234_567
}

// keyframe makes the next picture the clip's first, which is its only keyframe.
func (s *sender) keyframe() { s.next = 0 }

// picture returns the packets of the next picture, all at one time.
func (s *sender) picture(at time.Time) []sdk.Packet {
	s.t.Helper()
	const mtu = 60 // so that every picture takes several
	payloads := s.payloader.Payload(mtu, s.clip.Frames[s.next])
	if len(payloads) < 2 {
		s.t.Fatalf("frame %d of %s fits in %d packet", s.next, s.clip.Codec, len(payloads))
	}
	s.next = max(1, (s.next+1)%len(s.clip.Frames)) // a keyframe comes on demand only
	packets := make([]sdk.Packet, len(payloads))
	for i, payload := range payloads {
		packets[i] = sdk.Packet{Packet: s.packet(payload), Arrival: at, Codec: s.clip.Codec, Epoch: s.epoch}
		packets[i].Marker = i == len(payloads)-1
	}
	s.timestamp += ticksPerFrame
	return packets
}

// padding returns a packet without payload.
func (s *sender) padding(at time.Time) sdk.Packet {
	return sdk.Packet{Packet: s.packet(nil), Arrival: at, Codec: s.clip.Codec, Epoch: s.epoch}
}

func (s *sender) packet(payload []byte) *rtp.Packet {
	p := &rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: s.ssrc, SequenceNumber: s.seq, Timestamp: s.timestamp},
		Payload: payload,
	}
	s.seq++
	return p
}
