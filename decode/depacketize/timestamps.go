package depacketize

// timestamps unwraps 32-bit RTP timestamps.
type timestamps struct {
	started bool
	last    int64
}

func (t *timestamps) unwrap(raw uint32) int64 {
	if !t.started {
		t.started, t.last = true, int64(raw)
		return t.last
	}
	t.last += int64(int32(raw - uint32(t.last)))
	return t.last
}
