package jitter

import "github.com/pion/rtp"

// keyframe follows the newest keyframe among the packets.
type keyframe struct {
	first  int64 // its first packet, -1 for none
	came   int64 // all from first up to before this one are there
	broken bool  // a gap was given up: nothing can be decoded before a keyframe
}

// notice looks at a packet that came.
func (b *Buffer) notice(p *rtp.Packet, seq int64) {
	if b.cfg.Keyframe == nil || seq <= b.first || !b.cfg.Keyframe(p.Payload) {
		return
	}
	if b.first >= b.next && b.timestamp(b.first) == p.Timestamp {
		return // another part of the same one
	}
	b.first, b.came = seq, seq
}

func (b *Buffer) timestamp(seq int64) uint32 {
	if s := b.slot(seq); s.state == present && s.seq == seq {
		return s.packet.Timestamp
	}
	return 0
}

// complete says that the keyframe is ahead, and all of it is there.
func (b *Buffer) complete() bool {
	if b.first <= b.next {
		return false
	}
	for ; b.came <= b.seq.highest; b.came++ {
		s := b.slot(b.came)
		if s.state != present {
			return false
		}
		if s.packet.Marker {
			return true
		}
	}
	return false
}
