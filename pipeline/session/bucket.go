package session

import (
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// bucket holds a token for each command that may go now. It fills at a rate, up
// to a burst.
type bucket struct {
	rate, burst float64

	mu     sync.Mutex // guards what follows
	tokens float64
	filled time.Time // when that was counted; zero before the first
}

func newBucket(cfg config.Commands) *bucket {
	if cfg.Rate <= 0 {
		return nil
	}
	return &bucket{rate: float64(cfg.Rate), burst: float64(max(cfg.Burst, 1))}
}

// take takes a token. Where there is none it says when there will be. A clock
// that is set back fills nothing.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.filled.IsZero() {
		b.tokens = b.burst
	} else {
		b.tokens = min(b.burst, b.tokens+max(0, now.Sub(b.filled).Seconds())*b.rate)
	}
	b.filled = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return max(time.Duration((1-b.tokens)/b.rate*float64(time.Second)), time.Millisecond)
}
