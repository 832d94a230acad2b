package jitter

// maxJump is how far a sequence number may be from the highest before it is
// taken for a stray, or for a sender that began anew (MAX_DROPOUT of RFC 3550
// A.1). It is less than the ring of a buffer would have to hold.
const maxJump = 3000

// sequence unwraps 16-bit sequence numbers.
type sequence struct {
	started bool
	highest int64  // unwrapped
	raw     uint16 // of highest
	// suspect is the number that would confirm a jump: the one after a packet
	// that was too far off.
	suspect   uint16
	suspected bool
}

// verdict is what became of a sequence number.
type verdict int

const (
	follows  verdict = iota // belongs to the stream, in whatever order
	stray                   // too far off: to be dropped
	restarts                // the second in a row that is far off: the sender began anew
)

// unwrap places raw in the stream. Only for follows and restarts is the
// position valid; the caller makes it the highest by advance.
func (s *sequence) unwrap(raw uint16) (int64, verdict) {
	if !s.started {
		return int64(raw), follows
	}
	distance := int64(int16(raw - s.raw))
	if -maxJump <= distance && distance <= maxJump {
		s.suspected = false
		return s.highest + distance, follows
	}
	if s.suspected && raw == s.suspect {
		return s.highest + 1, restarts
	}
	s.suspect, s.suspected = raw+1, true
	return 0, stray
}

func (s *sequence) advance(seq int64, raw uint16) {
	s.started, s.suspected = true, false
	s.highest, s.raw = seq, raw
}
