package graph

import (
	"log/slog"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// faults logs what goes wrong in one node, at most once a second.
type faults struct {
	log   *slog.Logger
	clock pipeline.Clock

	mu         sync.Mutex // guards what follows
	said       bool
	last       time.Time
	suppressed int
}

// faultInterval is the least time between two log lines of a node's errors.
const faultInterval = time.Second

// report logs an error, or counts it if the last was logged just now.
func (r *faults) report(msg string, err error, attrs ...any) {
	suppressed, ok := r.turn()
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	r.log.Warn(msg, append([]any{"err", err}, attrs...)...)
}

// turn says whether to log now, and how many were not logged before.
func (r *faults) turn() (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if r.said && now.Sub(r.last) < faultInterval {
		r.suppressed++
		return 0, false
	}
	suppressed = r.suppressed
	r.said, r.last, r.suppressed = true, now, 0
	return suppressed, true
}

// flush logs how many errors were counted and not logged.
func (r *faults) flush() {
	r.mu.Lock()
	suppressed := r.suppressed
	r.suppressed = 0
	r.mu.Unlock()
	if suppressed > 0 {
		r.log.Warn("more errors", "suppressed", suppressed)
	}
}
