package sdk

import (
	"context"
	"time"

	"github.com/pion/webrtc/v4"
)

// Stats are the counters of the present connection. What is nil was not
// measured yet, or cannot be by this client; that is not zero.
type Stats struct {
	At time.Time
	// RTT of the live candidate pair, or else the longest that a receiver
	// reported of a stream of ours.
	RTT *time.Duration
	// Jitter, PacketLoss (a ratio) and FramesPerSecond are of the first incoming
	// video stream; where there is none, the worst jitter and the loss of all.
	Jitter          *time.Duration
	PacketLoss      *float64
	FramesPerSecond *float64
	// IncomingBitrate and OutgoingBitrate are of all traffic of the last second
	// on the live pair, in bit/s; nil where the pair changed in it.
	IncomingBitrate, OutgoingBitrate *float64
	// The bandwidth estimates, in bit/s. The receiving side makes none.
	AvailableIncomingBitrate, AvailableOutgoingBitrate *int
	// TargetBitrate is the sum of what the publications' encoders are told, in
	// bit/s.
	TargetBitrate *int
	// Of the live pair: "host", "srflx", "prflx" or "relay"; "udp", "tcp" or
	// "tls" of a relay; pion's word for its state. "" is not known.
	CandidateType, RelayProtocol, CandidatePairState string

	// Sums over the streams. More duplicates than losses make a loss negative.
	PacketsReceived uint64
	PacketsLost     int64
	PacketsSent     uint64
	BytesReceived   uint64
	BytesSent       uint64

	// Overflowed is how many datagrams of any kind the sockets had no room for,
	// because this process did not read them in time. Those of media are also among
	// the packets lost, unless they were repaired. nil where the system does not tell.
	// What is lost between socket and decryption, which takes a process that gets next
	// to no time, is in PacketsLost alone.
	Overflowed *uint64

	Inbound  []InboundStats
	Outbound []OutboundStats
	Pairs    []PairStats
}

// InboundStats are the counters of one incoming stream.
type InboundStats struct {
	SSRC             uint32
	Track            string
	Kind             string // [Video] or [Audio]
	Codec            string
	PacketsReceived  uint64
	PacketsLost      int64
	BytesReceived    uint64   // headers included
	Bitrate          *float64 // bit/s of the last second
	Jitter           *time.Duration
	NACKs            uint64 // sent by us
	KeyframeRequests uint64 // sent by us
	FramesReceived   uint64
	FramesPerSecond  *float64
	// Decoding is what the track's reader said with [Track.ReportDecoding].
	Decoding *Decoding
}

// Decoding is what a decoder has done with a track.
type Decoding struct {
	Frames, Dropped uint64
	Time            time.Duration // spent on all of them
	Width, Height   int           // of the last one
	Implementation  string        // the decoder's name
	Hardware        bool
}

// OutboundStats are the counters of one outgoing stream.
type OutboundStats struct {
	SSRC                 uint32
	Track                string
	Kind                 string // [Video] or [Audio]
	Codec                string
	PacketsSent          uint64 // retransmitted ones included
	PacketsRetransmitted uint64
	BytesSent            uint64   // headers included
	Bitrate              *float64 // bit/s of the last second
	TargetBitrate        *int     // bit/s
	FramesSent           uint64
	FramesPerSecond      *float64
	// As the receiver reported last.
	RTT, TotalRTT *time.Duration
	FractionLost  *float64
	PacketsLost   *int64
}

// PairStats are the counters of a pair of candidates.
type PairStats struct {
	RTT, TotalRTT                *time.Duration
	State                        string
	Nominated, Writable          bool
	AvailableOutgoingBitrate     *int // bit/s, of the live pair
	BytesSent, BytesReceived     uint64
	PacketsSent, PacketsReceived uint64
	LocalType, RemoteType        string // of the candidates
	LocalRelayProtocol           string
}

// ReportDecoding tells what the decoder of a received track has done so far, for
// [Session.Stats] and for what the session reports to the server every 5 s.
func (t *Track) ReportDecoding(d Decoding) { t.decoding.Store(&d) }

// Stats returns the counters of the present connection.
func (s *Session) Stats(ctx context.Context) (Stats, error) {
	const op = "get_stats"
	if ctx.Err() != nil {
		return Stats{}, interrupted(ctx, componentGPU, op)
	}
	c, err := s.ready(op)
	if err != nil {
		return Stats{}, err
	}
	return c.stats(time.Now()), nil
}

func (c *conn) stats(now time.Time) Stats {
	out := Stats{At: now, Overflowed: c.net.overflowed()}
	for _, i := range c.meter.incoming() {
		out.addInbound(c.inboundStats(i))
	}
	for _, t := range c.session.tracks {
		if s := c.senders[t.info.Name]; s != nil {
			out.addOutbound(s)
		}
	}
	out.summarize()
	c.addPath(&out)
	return out
}

func (c *conn) inboundStats(i *inbound) InboundStats {
	asked := c.meter.requested(i.ssrc)
	i.mu.Lock()
	defer i.mu.Unlock()
	out := InboundStats{
		SSRC: i.ssrc, Track: i.track.info.Name, Kind: i.track.info.Kind, Codec: i.codec,
		PacketsReceived: i.packets, PacketsLost: i.lost(), BytesReceived: i.bytes,
		NACKs: asked.nacks, KeyframeRequests: asked.keyframes,
		FramesReceived: i.frames, FramesPerSecond: i.fps.value(1), Bitrate: i.traffic.bits(), Decoding: i.track.decoding.Load(),
	}
	if i.packets > 1 && i.clock > 0 {
		jitter := time.Duration(i.jitter * float64(time.Second) / float64(i.clock))
		out.Jitter = &jitter
	}
	return out
}

func (s *Stats) addInbound(i InboundStats) {
	s.Inbound = append(s.Inbound, i)
	s.PacketsReceived += i.PacketsReceived
	s.PacketsLost += i.PacketsLost
	s.BytesReceived += i.BytesReceived
}

// addOutbound counts a track that was ever sent in this connection.
func (s *Stats) addOutbound(from *sender) {
	w := from.writer.Load()
	if w == nil {
		return
	}
	o := from.conn.meter.sending(w.ssrc)
	if o == nil {
		return
	}
	out := OutboundStats{SSRC: w.ssrc, Track: from.track.info.Name, Kind: from.track.info.Kind}
	if p := from.track.publication(); p != nil {
		bitrate := p.Bitrate()
		out.Codec, out.TargetBitrate = p.codec, &bitrate
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.packets == 0 {
		return
	}
	out.PacketsSent, out.PacketsRetransmitted, out.BytesSent = o.packets, o.resent, o.bytes
	out.FramesSent, out.FramesPerSecond, out.Bitrate = o.frames, o.fps.value(1), o.traffic.bits()
	if r := o.report; r != nil {
		fraction, lost := r.fractionLost, r.lost
		out.FractionLost, out.PacketsLost = &fraction, &lost
		out.RTT, out.TotalRTT = measured(r.roundTrip), measured(r.totalTrip)
	}
	s.Outbound = append(s.Outbound, out)
	s.PacketsSent += out.PacketsSent
	s.BytesSent += out.BytesSent
}

// measured is nil for a time that is zero because there is none.
func measured(d time.Duration) *time.Duration {
	if d <= 0 {
		return nil
	}
	return &d
}

// summarize derives the figures of the whole from those of the streams.
func (s *Stats) summarize() {
	for _, o := range s.Outbound {
		if o.TargetBitrate != nil {
			sum := *o.TargetBitrate
			if s.TargetBitrate != nil {
				sum += *s.TargetBitrate
			}
			s.TargetBitrate = &sum
		}
		if o.RTT != nil && (s.RTT == nil || *o.RTT > *s.RTT) {
			s.RTT = o.RTT
		}
	}
	for _, i := range s.Inbound {
		if i.Kind == Video {
			s.Jitter, s.FramesPerSecond = i.Jitter, i.FramesPerSecond
			s.PacketLoss = lossRatio(i.PacketsLost, i.PacketsReceived)
			return
		}
		if i.Jitter != nil && (s.Jitter == nil || *i.Jitter > *s.Jitter) {
			s.Jitter = i.Jitter
		}
	}
	s.PacketLoss = lossRatio(s.PacketsLost, s.PacketsReceived)
}

func lossRatio(lost int64, received uint64) *float64 {
	if received == 0 {
		return nil
	}
	missing := float64(max(lost, 0))
	ratio := missing / (missing + float64(received))
	return &ratio
}

// statistics are pion's own; none while it is being closed, which it does not
// stand.
func (c *conn) statistics() webrtc.StatsReport {
	c.asking.RLock()
	defer c.asking.RUnlock()
	if c.silent {
		return nil
	}
	return c.pc.GetStats()
}

// addPath tells of the candidate pairs.
func (c *conn) addPath(s *Stats) {
	available := c.bitrate(BitrateBounds{})
	s.AvailableOutgoingBitrate = &available
	s.IncomingBitrate, s.OutgoingBitrate = c.route.rates()
	live := c.route.live()
	report := c.statistics()
	for _, entry := range report {
		pair, ok := entry.(webrtc.ICECandidatePairStats)
		if !ok {
			continue
		}
		local, _ := report[pair.LocalCandidateID].(webrtc.ICECandidateStats)
		remote, _ := report[pair.RemoteCandidateID].(webrtc.ICECandidateStats)
		p := PairStats{
			RTT: measured(seconds(pair.CurrentRoundTripTime)), TotalRTT: measured(seconds(pair.TotalRoundTripTime)),
			State: string(pair.State), Nominated: pair.Nominated, Writable: pair.State == webrtc.StatsICECandidatePairStateSucceeded,
			BytesSent: pair.BytesSent, BytesReceived: pair.BytesReceived,
			PacketsSent: uint64(pair.PacketsSent), PacketsReceived: uint64(pair.PacketsReceived),
			LocalType: local.CandidateType.String(), RemoteType: remote.CandidateType.String(), LocalRelayProtocol: local.RelayProtocol,
		}
		if pair.LocalCandidateID == live.local && pair.RemoteCandidateID == live.remote {
			p.AvailableOutgoingBitrate = &available
			s.CandidateType, s.RelayProtocol, s.CandidatePairState = p.LocalType, p.LocalRelayProtocol, p.State
			if p.RTT != nil {
				s.RTT = p.RTT
			}
		}
		s.Pairs = append(s.Pairs, p)
	}
}
