package sdk

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// rate is how often something happened in the last second or so.
type rate struct {
	count uint64
	at    time.Time
	last  float64
	known bool // it was measured
}

// tick measures, given the count of now. It is called about once a second.
func (r *rate) tick(now time.Time, count uint64) {
	if passed := now.Sub(r.at).Seconds(); !r.at.IsZero() && passed > 0 && count >= r.count {
		r.last, r.known = float64(count-r.count)/passed, true
	}
	r.count, r.at = count, now
}

// value is what was measured last, times a factor; nil where nothing was.
func (r *rate) value(times float64) *float64 {
	if !r.known {
		return nil
	}
	v := times * r.last
	return &v
}

// bits is a rate of bytes in bit/s.
func (r *rate) bits() *float64 { return r.value(8) }

// inbound counts one incoming RTP stream (RFC 3550, appendix A).
type inbound struct {
	track   *Track
	ssrc    uint32
	clock   uint32 // Hz
	numbers uint8  // the header extension of transport-wide numbers, 0 for none
	repairs bool   // missing packets may be asked for

	mu      sync.Mutex // guards what follows
	codec   string
	begun   bool
	first   uint32 // sequence numbers, extended to 32 bits
	highest uint32
	packets uint64
	bytes   uint64
	frames  uint64 // ended by a marker
	transit int64  // of the packet before, in ticks
	jitter  float64
	fps     rate
	traffic rate // bytes
	gaps    gaps
	// Of the last report that we sent, and the last that we got.
	expected, counted uint64
	reported          time.Time // when it came
	reportedNTP       uint32    // its time, the middle 32 bits
}

// packet counts one packet of n bytes, and says whether what others before it
// went missing is to be looked at.
func (i *inbound) packet(p *rtp.Packet, codec string, n int, now time.Time) (lacking bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.codec = codec
	i.packets++
	i.bytes += uint64(n)
	if p.Marker {
		i.frames++
	}
	seq := i.highest + uint32(int32(int16(p.SequenceNumber-uint16(i.highest))))
	transit := now.UnixNano()/1000*int64(i.clock)/1_000_000 - int64(p.Timestamp)
	if !i.begun {
		// One cycle up, so that a packet before the first is no wrap below zero.
		i.begun, i.first = true, uint32(p.SequenceNumber)+1<<16
		i.highest, i.transit = i.first, transit
		return false
	}
	if int32(seq-i.highest) > 0 {
		lacking = i.repairs && i.gaps.skip(i.highest, seq, now)
		i.highest = seq
	} else {
		i.gaps.fill(seq, now)
	}
	if int32(seq-i.first) < 0 {
		i.first = seq
	}
	d := float64(int32(uint32(transit - i.transit)))
	i.transit = transit
	i.jitter += (max(d, -d) - i.jitter) / 16
	return lacking
}

// wanted are the packets to ask for now; next is when to ask again, zero where
// nothing is missing.
func (i *inbound) wanted(now time.Time) (seqs []uint16, next time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.gaps.ask(now)
}

// senderReport takes the sender's own report of the stream.
func (i *inbound) senderReport(ntp uint64, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reported, i.reportedNTP = now, uint32(ntp>>16)
}

// mostLost is what a report can say was lost in all: 24 bits with a sign.
const mostLost = 1<<23 - 1

// reception is the next report of the stream (RFC 3550 section 6.4.1 and appendix
// A.3); there is none where nothing came since the last.
func (i *inbound) reception(now time.Time) (r rtcp.ReceptionReport, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.packets == i.counted {
		return r, false
	}
	expected := uint64(i.highest-i.first) + 1
	recently, lost := int64(expected-i.expected), int64(expected-i.expected)-int64(i.packets-i.counted)
	i.expected, i.counted = expected, i.packets
	r = rtcp.ReceptionReport{
		SSRC: i.ssrc, LastSequenceNumber: i.highest - 1<<16, Jitter: uint32(i.jitter),
		TotalLost: uint32(min(max(i.lost(), 0), mostLost)),
	}
	if recently > 0 && lost > 0 {
		r.FractionLost = uint8(min(lost*256/recently, 255))
	}
	if !i.reported.IsZero() {
		r.LastSenderReport = i.reportedNTP
		r.Delay = uint32(now.Sub(i.reported).Seconds() * 65536)
	}
	return r, true
}

// lost is how many packets are missing; negative where more are duplicates.
func (i *inbound) lost() int64 {
	if !i.begun {
		return 0
	}
	return int64(i.highest-i.first) + 1 - int64(i.packets)
}

// outbound counts one outgoing RTP stream.
type outbound struct {
	mu      sync.Mutex // guards what follows
	begun   bool
	highest uint16
	packets uint64 // retransmitted ones included
	resent  uint64
	bytes   uint64
	frames  uint64
	fps     rate
	traffic rate          // bytes
	report  *remoteReport // the receiver's last
}

// remoteReport is what a receiver says of our stream.
type remoteReport struct {
	fractionLost float64
	lost         int64
	roundTrip    time.Duration // 0 for none
	totalTrip    time.Duration
}

func (o *outbound) packet(h *rtp.Header, payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.packets++
	o.bytes += uint64(h.MarshalSize() + len(payload))
	if o.begun && int16(h.SequenceNumber-o.highest) <= 0 {
		o.resent++
		return
	}
	o.begun, o.highest = true, h.SequenceNumber
	if h.Marker {
		o.frames++
	}
}

// receive takes a receiver's report of the stream (RFC 3550 section 6.4.1).
func (o *outbound) receive(r rtcp.ReceptionReport, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := &remoteReport{fractionLost: float64(r.FractionLost) / 256, lost: int64(int32(r.TotalLost<<8) >> 8)}
	if o.report != nil {
		next.roundTrip, next.totalTrip = o.report.roundTrip, o.report.totalTrip
	}
	if r.LastSenderReport != 0 {
		// All three in units of 1/65536 s; the difference fits, the clock may wrap.
		if d := int32(ntpMiddle(now) - r.LastSenderReport - r.Delay); d > 0 {
			next.roundTrip = time.Duration(d) * time.Second / 65536
			next.totalTrip += next.roundTrip
		}
	}
	o.report = next
}

// ntpMiddle is the middle 32 bits of an NTP timestamp.
func ntpMiddle(t time.Time) uint32 {
	return uint32((t.Unix()-ntpEpoch)<<16) | uint32(int64(t.Nanosecond())<<16/int64(time.Second))
}

// requests are those that we sent for an incoming stream.
type requests struct{ nacks, keyframes uint64 }

// meter counts what pion does not. It is the innermost interceptor of one
// connection, and so sees repairs and requests of the others too.
type meter struct {
	interceptor.NoOp

	mu    sync.Mutex // guards what follows
	in    []*inbound
	out   map[uint32]*outbound
	asked map[uint32]*requests
}

func newMeter() *meter { return &meter{out: map[uint32]*outbound{}, asked: map[uint32]*requests{}} }

// NewInterceptor implements interceptor.Factory.
func (m *meter) NewInterceptor(string) (interceptor.Interceptor, error) { return m, nil }

// BindLocalStream implements interceptor.Interceptor.
func (m *meter) BindLocalStream(info *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	o := &outbound{}
	m.mu.Lock()
	m.out[info.SSRC] = o
	m.mu.Unlock()
	return interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		o.packet(h, payload)
		return w.Write(h, payload, a)
	})
}

// BindRTCPWriter implements interceptor.Interceptor.
func (m *meter) BindRTCPWriter(w interceptor.RTCPWriter) interceptor.RTCPWriter {
	return interceptor.RTCPWriterFunc(func(packets []rtcp.Packet, a interceptor.Attributes) (int, error) {
		for _, p := range packets {
			m.request(p)
		}
		return w.Write(packets, a)
	})
}

func (m *meter) request(p rtcp.Packet) {
	var nacks, keyframes uint64
	switch p.(type) {
	case *rtcp.TransportLayerNack:
		nacks = 1
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		keyframes = 1
	default:
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ssrc := range p.DestinationSSRC() {
		if m.asked[ssrc] == nil {
			m.asked[ssrc] = &requests{}
		}
		m.asked[ssrc].nacks += nacks
		m.asked[ssrc].keyframes += keyframes
	}
}

// receiving counts a new incoming stream.
func (m *meter) receiving(i *inbound) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in = append(m.in, i)
}

// sending is the counter of an outgoing stream, nil for one that is not there.
func (m *meter) sending(ssrc uint32) *outbound {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out[ssrc]
}

func (m *meter) requested(ssrc uint32) requests {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.asked[ssrc]; a != nil {
		return *a
	}
	return requests{}
}

// incoming are the streams so far; the list only grows, and is only read.
func (m *meter) incoming() []*inbound {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clip(m.in)
}

// reported takes what a receiver reports of one stream. Its report goes to each
// stream that it speaks of, with what it says of the others.
func (m *meter) reported(ssrc uint32, reports []rtcp.ReceptionReport, now time.Time) {
	o := m.sending(ssrc)
	if o == nil {
		return
	}
	for _, r := range reports {
		if r.SSRC == ssrc {
			o.receive(r, now)
		}
	}
}

// tick measures the rates; it is called about once a second.
func (m *meter) tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.in {
		i.mu.Lock()
		i.fps.tick(now, i.frames)
		i.traffic.tick(now, i.bytes)
		i.mu.Unlock()
	}
	for _, o := range m.out {
		o.mu.Lock()
		o.fps.tick(now, o.frames)
		o.traffic.tick(now, o.bytes)
		o.mu.Unlock()
	}
}
