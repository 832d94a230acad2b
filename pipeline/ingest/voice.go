package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"github.com/reactorpipe/reactorpipe/decode"
)

// voice places the packets of a track of sound on the clock of its picture. What
// it has placed never goes back.
type voice struct {
	clock *clock // nil: the track's own

	placed  bool
	exact   bool          // by the sender's clock
	origin  int64         // RTP time that base belongs to
	base    time.Duration // PTS of origin
	end     time.Duration // of what was placed
	arrival time.Time     // of the last packet
}

const (
	// maxError is how far sound may be off the picture where it was placed by
	// arrivals, before the sender's reports put it right.
	maxError = 5 * time.Millisecond
	// maxDrift is how far it may run away later: what nobody notices, and more
	// than two reports of a careful sender differ.
	maxDrift = 30 * time.Millisecond
	// overlap is how much of a packet may lie under what was heard before: less
	// than the shortest packet lasts.
	overlap = 2 * time.Millisecond
	// longestPacket of Opus (RFC 6716 §2.1.4).
	longestPacket = 120 * time.Millisecond
)

// restart says that the next packet's timestamps are those of another sender.
func (v *voice) restart() { v.placed, v.exact = false, false }

// place returns when a packet is heard. Sound from before the picture, and what
// would come over what was heard already, is not.
func (v *voice) place(u decode.AccessUnit) (pts time.Duration, heard bool) {
	pts, known := v.at(u)
	v.arrival = u.Arrival
	length := soundLength(u.Data)
	if !known || pts < 0 || pts < v.end-overlap || length <= 0 || length > longestPacket {
		return 0, false
	}
	pts = max(pts, v.end)
	v.end = pts + length
	return pts, true
}

func (v *voice) at(u decode.AccessUnit) (pts time.Duration, known bool) {
	pts = v.base + ticks(u.RTPTime-v.origin, u.Codec.ClockRate())
	wanted, exact, known := v.wanted(u)
	allowed := maxSkew
	switch {
	case exact && v.exact:
		allowed = maxDrift
	case exact:
		allowed = maxError
	}
	if !v.placed && !known {
		return 0, false
	}
	if !v.placed || known && (wanted-pts).Abs() > allowed {
		v.placed, v.origin, v.base, pts = true, u.RTPTime, wanted, wanted
	}
	v.exact = v.exact || exact
	return pts, true
}

// wanted is when a packet is heard by the picture's clock; without one, behind
// what was heard before, by the time between the arrivals.
func (v *voice) wanted(u decode.AccessUnit) (pts time.Duration, exact, known bool) {
	switch {
	case v.clock != nil:
		return v.clock.at(u.SenderTime, u.Arrival)
	case v.arrival.IsZero():
		return 0, false, true
	}
	return v.end + max(u.Arrival.Sub(v.arrival)-soundLength(u.Data), 0), false, true
}

// soundLength is how long a packet of Opus is heard.
func soundLength(packet []byte) time.Duration {
	return time.Duration(opus.PacketDuration2(packet)) * time.Second / opusRate
}

// opusRate is the clock of Opus in RTP, in Hz, whatever its samples are.
const opusRate = 48_000

// listen waits for the next packet of a track of sound, and hands what that
// completes to take.
func listen(ctx context.Context, f feed, r *receiver, take func(unit)) error {
	p, came, err := readPacket(ctx, f, r)
	if err != nil {
		return err
	}
	if came {
		r.setRTT(f.RTT())
		if err := r.push(p); err != nil {
			return err
		}
	}
	r.pop(time.Now(), func(u unit) {
		if t, ok := f.SenderTime(uint32(u.RTPTime)); ok { //nolint:gosec // the lower half is the RTP timestamp
			u.SenderTime = t
		}
		take(u)
	})
	return nil
}

// clock relates a source's PTS to the sender's wall clock and to ours.
type clock struct {
	mu      sync.Mutex // guards what follows
	known   bool
	sender  time.Time // at PTS 0; zero if unknown
	arrival time.Time // at PTS 0
}

// set takes note of a picture.
func (c *clock) set(u decode.AccessUnit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.arrival, c.sender = true, u.Arrival.Add(-u.PTS), time.Time{}
	if !u.SenderTime.IsZero() {
		c.sender = u.SenderTime.Add(-u.PTS)
	}
}

// at returns the PTS of something that the sender took at a time and that came
// at another: exactly by its own clock, else, or
// where that cannot be, about by ours. It is not known
// before the first picture.
func (c *clock) at(sender, arrival time.Time) (pts time.Duration, exact, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pts = arrival.Sub(c.arrival)
	if bySender := sender.Sub(c.sender); !sender.IsZero() && !c.sender.IsZero() && (bySender-pts).Abs() < maxSkew {
		return bySender, true, true
	}
	return pts, false, c.known
}
