package sdk

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// How often the senders are told what arrived: what is missing (RFC 4585 section
// 6.2.1) when [gaps] says, in messages that are some time apart, for a link that
// loses much has no room for more; when each packet came (transport-wide
// congestion control) every 100 ms; and a receiver report (RFC 3550 section 6.4.2)
// a second, with what is measured then anyway.
const (
	nackSpacing     = 5 * time.Millisecond
	arrivalInterval = 100 * time.Millisecond
)

// feedback is what one connection tells the senders of its streams. It does the
// work of pion's interceptors for them without their way for each packet: a map,
// a header parsed anew and a goroutine woken.
type feedback struct {
	ssrc    uint32 // ours
	begun   time.Time
	missing chan struct{} // holds a token when there may be something to ask for

	mu       sync.Mutex // guards what follows
	arrivals *twcc.Recorder
}

func newFeedback() *feedback {
	ssrc := rand.Uint32()
	return &feedback{ssrc: ssrc, begun: time.Now(), missing: make(chan struct{}, 1), arrivals: twcc.NewRecorder(ssrc)}
}

// transportNumbers is the id of the header extension that numbers the packets of
// all streams, 0 where it was not agreed.
func transportNumbers(p webrtc.RTPParameters) uint8 {
	i := slices.IndexFunc(p.HeaderExtensions, func(e webrtc.RTPHeaderExtensionParameter) bool { return e.URI == sdp.TransportCCURI })
	if i < 0 {
		return 0
	}
	return uint8(p.HeaderExtensions[i].ID)
}

// arrived notes when a packet came, if it bears a number.
func (f *feedback) arrived(extension uint8, p *rtp.Packet, now time.Time) {
	if extension == 0 {
		return
	}
	number := p.GetExtension(extension)
	if len(number) < 2 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrivals.Record(p.SSRC, binary.BigEndian.Uint16(number), now.Sub(f.begun).Microseconds())
}

// lacking says that packets went missing, or are overdue.
func (f *feedback) lacking() {
	select {
	case f.missing <- struct{}{}:
	default:
	}
}

func (f *feedback) build() []rtcp.Packet {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.arrivals.BuildFeedbackPacket()
}

// tellSenders runs until the connection ends.
func (c *conn) tellSenders() {
	arrivals, due := time.NewTicker(arrivalInterval), time.NewTimer(nackInterval)
	defer arrivals.Stop()
	defer due.Stop()
	var asked time.Time
	for {
		select {
		case <-c.lost:
			return
		case <-c.feedback.missing:
			due.Reset(max(nackSpacing-time.Since(asked), 0))
		case <-due.C:
			now := time.Now()
			sent, next := c.requestMissing(now)
			if sent {
				asked = now
			}
			if !next.IsZero() {
				due.Reset(max(next.Sub(now), nackSpacing))
			}
		case <-arrivals.C:
			c.tell(c.feedback.build())
		}
	}
}

// requestMissing asks for what is missing of all streams, and says whether
// anything was due and when something is next, zero where nothing is missing.
func (c *conn) requestMissing(now time.Time) (sent bool, next time.Time) {
	var out []rtcp.Packet
	for _, i := range c.meter.incoming() {
		wanted, again := i.wanted(now)
		if len(wanted) > 0 {
			out = append(out, &rtcp.TransportLayerNack{
				SenderSSRC: c.feedback.ssrc, MediaSSRC: i.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(wanted),
			})
		}
		if next.IsZero() || !again.IsZero() && again.Before(next) {
			next = again
		}
	}
	c.tell(out)
	return len(out) > 0, next
}

// maxReports is how many streams one receiver report speaks of.
const maxReports = 31

// reportReception is called about once a second.
func (c *conn) reportReception(now time.Time) {
	var all []rtcp.ReceptionReport
	for _, i := range c.meter.incoming() {
		if r, ok := i.reception(now); ok {
			all = append(all, r)
		}
	}
	for some := range slices.Chunk(all, maxReports) {
		c.tell([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: c.feedback.ssrc, Reports: some}})
	}
}

// tell sends packets. On a connection that is lost nobody is there to be told.
func (c *conn) tell(packets []rtcp.Packet) {
	if len(packets) > 0 {
		_ = c.pc.WriteRTCP(packets)
	}
}
