package ingest

import (
	"sync"
	"time"
)

// throttle bounds how often something is done, however many want it.
type throttle struct {
	mu   sync.Mutex // guards last
	last time.Time
}

// due says that interval is over since due said so last, or that it never did.
func (t *throttle) due(now time.Time, interval time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && now.Sub(t.last) < interval {
		return false
	}
	t.last = now
	return true
}

// keyframeInterval is how often a keyframe is asked for at most, unless a round
// trip takes longer: an encoder needs some frames to answer, and the second
// request would cost a second keyframe.
const keyframeInterval = 500 * time.Millisecond

// complaintInterval is how often the same trouble is logged.
const complaintInterval = 10 * time.Second
