package graph

import (
	"time"
)

// watch takes over calls that outlast their deadlines, until the run is over.
func (g *Graph) watch(over <-chan struct{}) {
	for {
		now := g.now()
		next := now + longest
		for _, s := range g.stages {
			if s.spec.Deadline > 0 {
				next = min(next, s.expire(now, s.spec.Deadline))
			}
		}
		select {
		case <-over:
			return
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
