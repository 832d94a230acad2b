package sdk

import (
	"sync"
	"time"
)

// Packets leave in bursts of ten, one a millisecond: a whole 1080p keyframe at
// once overflows the server's socket.
const (
	burst      = 10
	burstEvery = time.Millisecond
)

// pacer spaces the packets of everything that a session publishes.
type pacer struct {
	mu   sync.Mutex
	next time.Time // guarded by mu
}

// reserve takes the next place for n packets and returns how long to wait for it.
func (p *pacer) reserve(now time.Time, n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(burstEvery * time.Duration(n) / burst)
	return wait
}
