package graph

import (
	"time"
)

// watch looks after the calls and the frames of all nodes until the run is over.
func (g *Graph) watch(over <-chan struct{}) {
	for {
		now := g.now()
		next := now + longest
		l := g.layout.Load()
		for _, s := range l.stages {
			if deadline := s.spec.Load().Deadline; deadline > 0 {
				next = min(next, s.expire(now, deadline))
			}
			s.lookAtKept()
		}
		for _, s := range l.sinks {
			next = min(next, s.lookAtWrite(now))
			s.lookAtKept()
		}
		select {
		case <-over:
			return
		case <-g.look:
		case <-g.cfg.Clock.After(next - now):
		}
	}
}

// longest is the longest that the watch sleeps.
const longest = time.Minute

// expire takes over calls that have lasted for deadline and returns when the
// next one may have.
func (s *stage) expire(now, deadline time.Duration) (next time.Duration) {
	next = now + deadline
	for _, i := range s.instances {
		next = min(next, i.expire(now, deadline))
	}
	return next
}

// hanging returns how many calls have outlasted their deadline.
func (s *stage) hanging() (n int) {
	for _, i := range s.instances {
		if i.hangs() {
			n++
		}
	}
	return n
}

// lateWrite is how long a sink may take for a frame until it is said to hang.
// Its queue keeps that from the rest of the graph, so nothing else follows.
const lateWrite = 5 * time.Second

// lookAtWrite says it once when a Write lasts too long, and returns when to look
// again.
func (s *sink) lookAtWrite(now time.Duration) (next time.Duration) {
	call := s.since.Load()
	if call <= idle {
		return now + lateWrite
	}
	begun := time.Duration(call - 1)
	if now-begun < lateWrite {
		return begun + lateWrite
	}
	if !s.late.Swap(true) {
		s.faults.log.Warn("write hangs", "after", now-begun, "queued", s.queued())
	}
	return now + lateWrite
}

// returned notes the end of a Write.
func (s *sink) returned(took time.Duration) {
	if s.late.Load() && s.late.Swap(false) {
		s.faults.log.Info("write returned", "took", took)
	}
}

// hanging returns how many Writes have not returned for too long.
func (s *sink) hanging() int {
	if s.late.Load() {
		return 1
	}
	return 0
}

// manyKept is how many frames a node may hold beyond its calls before it is said.
// Who fills a buffer stops somewhere; a leak is named again each time it has
// doubled.
const manyKept = 64

// lookAtKept names a node that keeps more and more frames.
func (n *node) lookAtKept() {
	kept := n.counts.kept.Load()
	if kept < max(2*n.named, manyKept) {
		return
	}
	n.named = kept
	n.faults.log.Warn("keeps frames and does not release them", "kept", kept)
}
