package jitter

import (
	"time"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
)

// capacity is the number of packets that a Buffer spans, a power of two: half
// a second at 40 Mbit/s and more than maxJump.
const capacity = 4096

// strayTime is how long packets of the SSRC before the current one are taken
// for stragglers and not for a change back.
const strayTime = 2 * time.Second

// Config is what a Buffer may know about what is in the packets.
type Config struct {
	// Keyframe says that a keyframe begins with a payload. A buffer that knows
	// it goes on waiting behind the deadline of a gap, which is 200 ms at least,
	// for a repair is as good as a keyframe: it gives the gap up when a keyframe
	// behind it is complete, but after 500 ms in any case.
	Keyframe func(payload []byte) bool
}

// Buffer holds packets until those before them have come or are given up. It
// is used by one goroutine.
type Buffer struct {
	cfg   Config
	wait  time.Duration
	slots []slot

	seq    sequence
	next   int64 // to be delivered
	noWait int64 // gaps below are not waited for
	late   int64 // the gap that Pop found behind its deadline, and waits for
	begins int64 // where the last restart is
	keyframe

	ssrc, oldSSRC uint32
	changed       time.Time // when oldSSRC was left

	lost    int  // missing since the last delivered packet
	restart bool // a restart that a packet without payload swallowed
	stats   Stats
}

// Stats counts packets since the buffer was made.
type Stats struct {
	Received   uint64 // all that were pushed
	Delivered  uint64
	Padding    uint64 // without payload
	Lost       uint64 // given up; some may have come Late
	Late       uint64 // came after they were given up
	Duplicate  uint64
	Reordered  uint64 // came after a higher sequence number, in time
	Stray      uint64 // of another SSRC or far off the sequence
	Restarts   uint64 // changes of SSRC or of the sequence
	Overflowed uint64 // pushed out by newer packets
}

type slotState uint8

const (
	unknown slotState = iota
	missing
	present
	delivered
)

type slot struct {
	state   slotState
	restart bool
	seq     int64
	packet  *rtp.Packet
	at      time.Time // of arrival; for a missing packet, of the first one behind it
}

// New returns an empty buffer for a path whose round trip is not known yet.
func New(cfg Config) *Buffer {
	return &Buffer{
		cfg: cfg, wait: minWait, slots: make([]slot, capacity),
		begins: -1, late: -1, keyframe: keyframe{first: -1},
	}
}

// SetRTT tells the round-trip time of the path. The deadline of a gap is
// max(66 ms, 2·rtt + 20 ms) after the packet behind it came, at most 500 ms;
// where keyframes are known, 200 ms at least.
func (b *Buffer) SetRTT(rtt time.Duration) { b.wait = waitFor(rtt) }

// Stats returns the counts so far.
func (b *Buffer) Stats() Stats { return b.stats }

// Push takes a packet, which is the buffer's until Pop returns it. A packet
// without payload counts as come but is never returned.
func (b *Buffer) Push(p *rtp.Packet, arrival time.Time) {
	b.stats.Received++
	restart := b.seq.started && p.SSRC != b.ssrc
	if restart && p.SSRC == b.oldSSRC && arrival.Sub(b.changed) < strayTime {
		b.stats.Stray++
		return
	}
	seq, verdict := b.seq.highest+1, follows
	if !restart {
		seq, verdict = b.seq.unwrap(p.SequenceNumber)
	}
	if verdict == stray {
		b.stats.Stray++
		return
	}
	if !b.seq.started {
		b.ssrc, b.next = p.SSRC, seq
	}
	if restart || verdict == restarts {
		b.begin(p.SSRC, seq, arrival)
	}
	b.insert(p, seq, arrival)
}

// begin starts another stream at seq: nothing of the one before is waited for.
func (b *Buffer) begin(ssrc uint32, seq int64, arrival time.Time) {
	b.stats.Restarts++
	b.noWait, b.begins = seq, seq
	if ssrc != b.ssrc {
		b.oldSSRC, b.ssrc, b.changed = b.ssrc, ssrc, arrival
	}
}

func (b *Buffer) insert(p *rtp.Packet, seq int64, arrival time.Time) {
	if b.seq.started && seq <= b.seq.highest {
		b.fill(p, seq, arrival)
		return
	}
	if b.seq.started {
		b.room(seq)
		for s := b.seq.highest + 1; s < seq; s++ {
			*b.slot(s) = slot{state: missing, seq: s, at: arrival}
		}
	}
	*b.slot(seq) = slot{state: present, restart: seq == b.begins, seq: seq, packet: p, at: arrival}
	b.seq.advance(seq, p.SequenceNumber)
	b.notice(p, seq)
}

// fill puts a packet where it was missed, unless it comes twice or too late.
func (b *Buffer) fill(p *rtp.Packet, seq int64, arrival time.Time) {
	s := b.slot(seq)
	switch {
	case s.seq == seq && (s.state == present || s.state == delivered):
		b.stats.Duplicate++
	case seq < b.next:
		b.stats.Late++
	default:
		b.stats.Reordered++
		*s = slot{state: present, seq: seq, packet: p, at: arrival}
		b.notice(p, seq)
	}
}

// room makes the ring reach to seq. What is pushed out is lost.
func (b *Buffer) room(seq int64) {
	for b.next <= seq-capacity {
		if b.slot(b.next).state == present {
			b.stats.Overflowed++
		}
		b.giveUp()
	}
}

// giveUp leaves out the next packet.
func (b *Buffer) giveUp() {
	s := b.slot(b.next)
	b.restart = b.restart || s.restart
	*s = slot{seq: b.next}
	b.next++
	b.lost++
	b.stats.Lost++
}

// Pop returns the next packet in order. There is none while a gap before it is
// still waited for: see Deadline.
func (b *Buffer) Pop(now time.Time) (decode.Packet, bool) {
	for b.seq.started && b.next <= b.seq.highest {
		s := b.slot(b.next)
		if s.state != present {
			if b.waits(s, now) {
				return decode.Packet{}, false
			}
			b.giveUp()
			continue
		}
		if p, ok := b.deliver(s); ok {
			return p, true
		}
	}
	return decode.Packet{}, false
}

// waits says whether the gap at s is waited for.
func (b *Buffer) waits(s *slot, now time.Time) bool {
	if b.next < b.noWait {
		return false
	}
	if !b.broken && now.Before(s.at.Add(b.deadline())) {
		return true
	}
	if b.cfg.Keyframe == nil {
		return false
	}
	if b.complete() {
		b.noWait = b.first
		return false
	}
	b.late = b.next
	b.broken = b.broken || !now.Before(s.at.Add(maxWait))
	return now.Before(s.at.Add(maxWait))
}

// deadline is how long a gap is waited for before a keyframe is asked for.
func (b *Buffer) deadline() time.Duration {
	if b.cfg.Keyframe == nil {
		return b.wait
	}
	return max(b.wait, keyframeWait)
}

// Overdue says that Pop waits for a gap behind its deadline: a keyframe should
// be asked for.
func (b *Buffer) Overdue() bool { return b.gap() && b.late == b.next }

// gap says that the next packet is missing, with others behind it.
func (b *Buffer) gap() bool {
	return b.seq.started && b.next <= b.seq.highest && b.slot(b.next).state != present
}

// Behind returns the first packet behind the gap that Pop waits for.
func (b *Buffer) Behind() (*rtp.Packet, bool) {
	s := b.behind()
	if s == nil {
		return nil, false
	}
	return s.packet, true
}

// Skip gives up the gap that Pop waits for, up to the packet that Behind returns.
func (b *Buffer) Skip() {
	if s := b.behind(); s != nil {
		b.noWait = max(b.noWait, s.seq)
	}
}

func (b *Buffer) behind() *slot {
	if !b.gap() {
		return nil
	}
	for seq := b.next + 1; seq <= b.seq.highest; seq++ {
		if s := b.slot(seq); s.state == present && len(s.packet.Payload) > 0 {
			return s
		}
	}
	return nil
}

func (b *Buffer) deliver(s *slot) (decode.Packet, bool) {
	p := decode.Packet{
		Packet:  s.packet,
		Seq:     s.seq,
		Arrival: s.at,
		Lost:    b.lost,
		Restart: b.restart || s.restart,
	}
	s.packet, s.state = nil, delivered
	b.next++
	if len(p.Payload) == 0 {
		b.stats.Padding++
		b.restart = p.Restart
		return decode.Packet{}, false
	}
	b.lost, b.restart = 0, false
	b.broken = b.broken && s.seq != b.first
	b.stats.Delivered++
	return p, true
}

// Deadline returns when Pop, if nothing is pushed, has something to do again: the
// time at which the gap before it is overdue, or is given up. False: the buffer is
// empty.
func (b *Buffer) Deadline() (time.Time, bool) {
	if !b.seq.started || b.next > b.seq.highest {
		return time.Time{}, false
	}
	s := b.slot(b.next)
	if s.state == present || b.next < b.noWait {
		return s.at, true
	}
	if b.late == b.next {
		return s.at.Add(maxWait), true
	}
	return s.at.Add(b.deadline()), true
}

// Flush gives up every gap: Pop returns all that is there.
func (b *Buffer) Flush() { b.noWait = b.seq.highest + 1 }

func (b *Buffer) slot(seq int64) *slot { return &b.slots[seq&(capacity-1)] }
