package graph

import (
	"log/slog"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// faults logs what goes wrong in one node, at most once a second.
type faults struct {
	log   *slog.Logger
	clock pipeline.Clock
	turns pipeline.Turns
}

// faultInterval is the least time between two log lines of a node's errors.
const faultInterval = time.Second

// report logs an error, or counts it if the last was logged just now.
func (r *faults) report(msg string, err error, attrs ...any) {
	suppressed, ok := r.turns.Take(r.clock.Now(), faultInterval)
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	r.log.Warn(msg, append([]any{"err", err}, attrs...)...)
}

// flush logs how many errors were counted and not logged.
func (r *faults) flush() {
	if suppressed := r.turns.Missed(); suppressed > 0 {
		r.log.Warn("more errors", "suppressed", suppressed)
	}
}
