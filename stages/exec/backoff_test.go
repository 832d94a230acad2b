package exec_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// patience is a clock that goes on when the test says so, and shows what is
// waited for before a program is started again.
type patience struct {
	waits chan waiting

	mu  sync.Mutex // guards what follows
	now time.Time
}

type waiting struct {
	wait time.Duration
	over chan<- time.Time
}

// The waits before a start; all others are shorter or longer.
const leastBackoff, mostBackoff = 10 * time.Second, 30 * time.Second

func (p *patience) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *patience) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func (p *patience) After(d time.Duration) <-chan time.Time {
	over := make(chan time.Time, 1)
	if leastBackoff <= d && d <= mostBackoff {
		p.waits <- waiting{d, over}
	}
	return over
}

// The wait before another start doubles up to half a minute, and is the shortest
// again after a program that lasted for as long.
func TestBackoff(t *testing.T) {
	clock := &patience{waits: make(chan waiting, 1), now: time.Unix(0, 0)}
	config := strings.Replace(command("dies", "start_timeout: 1h\ntimeout: 1h"), "backoff: 1ms", "backoff: "+leastBackoff.String(), 1)
	r := startConfig(t, config, pipeline.Env{Clock: clock})
	for i, life := range []struct{ lasts, wait time.Duration }{
		{0, 10 * time.Second},
		{0, 20 * time.Second},
		{0, 30 * time.Second},
		{30*time.Second - 1, 30 * time.Second},
		{30 * time.Second, 10 * time.Second},
		{time.Second, 20 * time.Second},
	} {
		r.until("a program", func() bool {
			r.seq = 0
			return r.frame(nil) == nil
		})
		clock.pass(life.lasts)
		r.wantError(r.frame(nil), "the program is gone: it ended: exit status 3")
		w := <-clock.waits
		if w.wait != life.wait {
			t.Errorf("life %d: waited for %s, want %s", i, w.wait, life.wait)
		}
		r.wantError(r.frame(nil), "the program is not there: it ended: exit status 3")
		clock.pass(w.wait)
		w.over <- clock.Now()
	}
}
