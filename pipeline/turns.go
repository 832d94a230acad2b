package pipeline

import (
	"sync"
	"time"
)

// Turns bounds how often something is done, however many want it: a line of the
// log for errors that come with every frame, a request that costs the other side
// something. The zero Turns is ready, and safe for use by several goroutines.
type Turns struct {
	mu     sync.Mutex // guards what follows
	taken  bool
	last   time.Time
	missed int
}

// Take says whether it is a turn: the first call is one, and from then on the
// first behind every interval. With it comes how many calls since the last turn
// were none.
func (t *Turns) Take(now time.Time, interval time.Duration) (missed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken && now.Sub(t.last) < interval {
		t.missed++
		return 0, false
	}
	missed = t.missed
	t.taken, t.last, t.missed = true, now, 0
	return missed, true
}

// Missed returns how many calls since the last turn were none, and forgets them.
func (t *Turns) Missed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	missed := t.missed
	t.missed = 0
	return missed
}
