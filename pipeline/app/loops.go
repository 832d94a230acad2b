package app

import (
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// standstill is how long nothing may move in a graph that has frames in flight,
// and no call of a stage or a sink under way: then its own loops do not turn.
const standstill = 10 * time.Second

// loops tells from one look to the next whether a graph's own loops turn. A
// source that yields nothing and a stage or sink that takes its time are no
// fault of theirs.
type loops struct {
	mu      sync.Mutex // guards what follows
	counted uint64
	turned  time.Time
}

func (l *loops) stuck(now time.Time, st graph.Stats) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFlight, calls, counted := 0, false, uint64(0)
	for _, n := range slices.Concat(st.Sources, st.Stages, st.Sinks) {
		inFlight += n.InFlight
		calls = calls || n.Busy
		counted += n.In + n.Out + n.Errors + total(n.Dropped) + total(n.Skipped)
	}
	// Frames that a source refuses for want of room are no sign of life.
	for _, n := range st.Sources {
		counted -= n.In + total(n.Dropped)
	}
	if counted != l.counted || inFlight == 0 || calls || l.turned.IsZero() {
		l.counted, l.turned = counted, now
	}
	return now.Sub(l.turned) >= standstill
}
