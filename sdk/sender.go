package sdk

import (
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// sender is the sending side of a track in one connection. It is there from the
// offer on, long before anything is published.
type sender struct {
	conn        *conn
	track       *Track
	kind        webrtc.RTPCodecType
	transceiver *webrtc.RTPTransceiver
	writer      atomic.Pointer[boundWriter]
}

// boundWriter is what pion gives a track to write to.
type boundWriter struct {
	out  webrtc.TrackLocalWriter
	ssrc uint32
}

var _ webrtc.TrackLocal = (*sender)(nil)

func newSender(c *conn, t *Track, kind webrtc.RTPCodecType) *sender {
	return &sender{conn: c, track: t, kind: kind}
}

// ID implements webrtc.TrackLocal.
func (s *sender) ID() string { return s.track.info.Name }

// RID implements webrtc.TrackLocal.
func (s *sender) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (s *sender) StreamID() string { return "reactorpipe" }

// Kind implements webrtc.TrackLocal.
func (s *sender) Kind() webrtc.RTPCodecType { return s.kind }

// Bind implements webrtc.TrackLocal. The codec it returns sets the clock of the
// sender reports; which one is sent is chosen when the track is published.
func (s *sender) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, c := range s.agreed() {
		for _, p := range ctx.CodecParameters() {
			if uint8(p.PayloadType) == c.pt {
				s.writer.Store(&boundWriter{out: ctx.WriteStream(), ssrc: uint32(ctx.SSRC())})
				return p, nil
			}
		}
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// agreed are the codecs that the answer takes for the track.
func (s *sender) agreed() []codecAnswer { return s.conn.codecs[s.track] }

// Unbind implements webrtc.TrackLocal.
func (s *sender) Unbind(webrtc.TrackLocalContext) error {
	s.writer.Store(nil)
	return nil
}

// write sends one packet, with the SSRC of this connection.
func (s *sender) write(p *rtp.Packet) error {
	w := s.writer.Load()
	if w == nil {
		return ErrNotReady
	}
	p.SSRC = w.ssrc
	_, err := w.out.WriteRTP(&p.Header, p.Payload)
	return err
}

// codec finds what to publish in: the named codec, or the server's first choice
// among those that can be sent.
func (s *sender) codec(name string) (codecAnswer, bool) {
	for _, c := range s.agreed() {
		if name == c.name && c.sendable() || name == "" && c.sendable() {
			return c, true
		}
	}
	return codecAnswer{}, false
}

// readFeedback follows what the receiver says about the stream until the
// connection ends. Reading is also what feeds the bandwidth estimate.
func (s *sender) readFeedback() {
	for {
		packets, _, err := s.transceiver.Sender().ReadRTCP()
		if s.conn.readEnds(err) {
			return
		}
		for _, p := range packets {
			s.feedback(p)
		}
	}
}

func (s *sender) feedback(p rtcp.Packet) {
	w := s.writer.Load()
	switch p := p.(type) {
	case *rtcp.PictureLossIndication:
		if w != nil && p.MediaSSRC == w.ssrc {
			s.wantKeyframe()
		}
	case *rtcp.FullIntraRequest:
		for _, f := range p.FIR {
			if w != nil && f.SSRC == w.ssrc {
				s.wantKeyframe()
			}
		}
	case *rtcp.ReceiverReport:
		s.reported(p.Reports)
	case *rtcp.SenderReport:
		s.reported(p.Reports)
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		s.conn.remb.Store(uint64(max(p.Bitrate, 0)))
	}
}

func (s *sender) reported(reports []rtcp.ReceptionReport) {
	if w := s.writer.Load(); w != nil {
		s.conn.meter.reported(w.ssrc, reports, time.Now())
	}
}

func (s *sender) wantKeyframe() {
	if p := s.track.publication(); p != nil {
		p.wantKeyframe()
	}
}
