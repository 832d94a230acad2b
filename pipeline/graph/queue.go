package graph

import (
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// queue is what waits in front of a sink. One goroutine puts, one takes.
type queue struct {
	parcels chan parcel
	onFull  pipeline.OnFull
	yield   chan struct{} // who receives gives up its frame instead of waiting for room
	// breaks of frames that were thrown away, for the next that is taken.
	breaks *breaks
	thrown func(*pipeline.Frame, reason)
}

// put adds p, or gives up when aborted is closed.
func (q *queue) put(p parcel, aborted <-chan struct{}) {
	switch q.onFull {
	case pipeline.Block:
		select {
		case q.parcels <- p:
		case <-q.yield:
			q.throw(p, reloading)
		case <-aborted:
			q.throw(p, draining)
		}
	case pipeline.DropNewest:
		select {
		case q.parcels <- p:
		default:
			q.throw(p, queueFull)
		}
	default:
		q.push(p)
	}
}

// push makes room by throwing away the oldest.
func (q *queue) push(p parcel) {
	for {
		select {
		case q.parcels <- p:
			return
		default:
		}
		select {
		case old := <-q.parcels:
			q.throw(old, queueFull)
		default:
		}
	}
}

// throw keeps of a frame only that there was a break.
func (q *queue) throw(p parcel, why reason) {
	q.breaks.add(p.frame.Discontinuity)
	q.thrown(p.frame, why)
}

// giveWay has frames given up that wait for room, until over is closed.
func (q *queue) giveWay(over <-chan struct{}) {
	for {
		select {
		case q.yield <- struct{}{}:
		case <-over:
			return
		}
	}
}
