package sdk

import "cmp"

// BitrateBounds bound what is sent, in bit/s. 0 leaves a bound at its default.
// Bounds hold over reconnects.
type BitrateBounds struct {
	Min int // default for a session: 100 000
	// Start is what a connection begins with, before anything was measured; of
	// a session only. Default: 2 000 000.
	Start int
	Max   int // default for a session: 10 000 000, what the reference server takes
}

// Defaults of the bounds. The start is what a 720p picture needs.
const (
	leastBitrate = 100_000
	firstBitrate = 2_000_000
	mostBitrate  = 10_000_000
)

// maxEstimate is where the estimator itself ends; what is told stays within the
// session's bounds, which may be raised while it runs.
const maxEstimate = 200_000_000

func (b BitrateBounds) check(op string) error {
	if b.Min < 0 || b.Start < 0 || b.Max < 0 {
		return gpuErrorf(CodeInvalidState, op, "bitrate bounds: must not be negative, got %d, %d, %d", b.Min, b.Start, b.Max)
	}
	least, most := b.Min, cmp.Or(b.Max, max(b.Min, b.Start))
	start := cmp.Or(b.Start, least)
	if least > start || start > most {
		return gpuErrorf(CodeTransport, op, "bitrate bounds: must be in order, got %d, %d, %d", b.Min, b.Start, b.Max)
	}
	return nil
}

// complete fills in the defaults of a session. A bound that is given moves those
// that are not.
func (b BitrateBounds) complete() BitrateBounds {
	if b.Max == 0 {
		b.Max = max(mostBitrate, b.Min, b.Start)
	}
	if b.Min == 0 {
		b.Min = min(leastBitrate, b.Max)
		if b.Start > 0 {
			b.Min = min(b.Min, b.Start)
		}
	}
	if b.Start == 0 {
		b.Start = min(max(firstBitrate, b.Min), b.Max)
	}
	return b
}

// clamp keeps an estimate within the bounds.
func (b BitrateBounds) clamp(bitrate int) int {
	bitrate = max(bitrate, b.Min)
	if b.Max > 0 {
		bitrate = min(bitrate, b.Max)
	}
	return bitrate
}

// SetBitrate bounds what all publications of the session send together, in place
// of [Config.Bitrate]. Min and Max hold at once, Start from the next connection on.
func (s *Session) SetBitrate(b BitrateBounds) error {
	if err := b.check("set_bitrate"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bounds = b
	return nil
}

func (s *Session) bitrateBounds() BitrateBounds {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bounds.complete()
}

// SetBitrate bounds what is sent on this track: what [Publication.Bitrate] tells
// the encoder lies within these bounds and those of the session.
func (t *Track) SetBitrate(b BitrateBounds) error {
	const op = "set_bitrate"
	if t.info.Direction != SendOnly {
		return gpuErrorf(CodeInvalidState, op, "track %s is not an input of the model", t.info.Name)
	}
	if b.Start != 0 {
		return gpuErrorf(CodeInvalidState, op, "bitrate bounds: a track has no start, got %d", b.Start)
	}
	if err := b.check(op); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bounds = b
	return nil
}

func (t *Track) bitrateBounds() BitrateBounds {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bounds
}
