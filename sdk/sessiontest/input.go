package sessiontest

import (
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Input is the media that one connection sends for an input track.
type Input struct {
	Server     *Server
	Session    string
	Connection uint32
	Track      string
	Kind       Kind

	conn   *connection
	remote *webrtc.TrackRemote
	pc     *webrtc.PeerConnection
}

// Codec is the codec of the packets read last, "vp8" for example.
func (in *Input) Codec() string { return codecName(in.remote.Codec().MimeType) }

// ReadRTP waits for the next packet, in the order of arrival: lost packets are
// asked for and come late. It fails when the connection is over. A packet may
// have no payload.
func (in *Input) ReadRTP() (*rtp.Packet, error) {
	p, _, err := in.remote.ReadRTP()
	return p, err
}

// RequestKeyframe asks the publisher for a keyframe.
func (in *Input) RequestKeyframe() error {
	return in.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(in.remote.SSRC())}})
}

// SendREMB tells the publisher how much the receiver takes, in bit/s. Transport
// feedback is sent without being asked for, where the packets number themselves.
func (in *Input) SendREMB(bitrate float32) error {
	return in.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{
		Bitrate: bitrate, SSRCs: []uint32{uint32(in.remote.SSRC())},
	}})
}

// Published says whether the connection holds the track's publishing slot.
func (in *Input) Published() bool {
	x := in.conn.session
	x.mu.Lock()
	defer x.mu.Unlock()
	holder, taken := x.slots[in.Track]
	return taken && holder == in.Connection
}

// onTrack hands a published track to the model. pion calls it on a goroutine of
// its own at the first packet.
func (c *connection) onTrack(pc *webrtc.PeerConnection, mapping []trackMapping, remote *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	mid := ""
	for _, t := range pc.GetTransceivers() {
		if t.Receiver() == r {
			mid = t.Mid()
		}
	}
	track, known := c.trackOf(mid, mapping)
	kind := Video
	if remote.Kind() == webrtc.RTPCodecTypeAudio {
		kind = Audio
	}
	in := &Input{
		Server: c.session.srv, Session: c.session.id, Connection: c.id, Track: track.Name, Kind: kind,
		conn: c, remote: remote, pc: pc,
	}
	c.spawn(func() { readAllRTCP(r) })
	c.spawn(func() {
		if receive := c.session.srv.model.Receive; receive != nil && known && !c.session.stepped {
			receive(c.ctx, in)
		}
		in.discard()
	})
}

// discard reads on, so that feedback goes on, until the connection is over.
func (in *Input) discard() {
	for {
		if _, err := in.ReadRTP(); err != nil {
			return
		}
	}
}

// readAllRTCP lets the interceptors see the publisher's reports.
func readAllRTCP(r *webrtc.RTPReceiver) {
	for {
		if _, _, err := r.ReadRTCP(); err != nil {
			return
		}
	}
}
