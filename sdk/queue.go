package sdk

import (
	"sync"
	"sync/atomic"
)

// packetDepth is what a track holds for its reader: a second or two of a
// detailed 1080p picture.
const packetDepth = 4096

// packetQueue is a ring of packets from which the oldest fall out.
type packetQueue struct {
	dropped atomic.Uint64
	wake    chan struct{} // holds a token while there may be something to read

	mu    sync.Mutex // guards what follows
	ring  []Packet   // grows up to packetDepth
	head  int
	count int
}

func (q *packetQueue) init() { q.wake = make(chan struct{}, 1) }

func (q *packetQueue) push(p Packet) {
	q.mu.Lock()
	if q.count == len(q.ring) && len(q.ring) < packetDepth {
		q.grow()
	}
	if q.count == len(q.ring) {
		q.ring[q.head].Release()
		q.head = (q.head + 1) % len(q.ring)
		q.count--
		q.dropped.Add(1)
	}
	q.ring[(q.head+q.count)%len(q.ring)] = p
	q.count++
	q.mu.Unlock()
	q.notify()
}

func (q *packetQueue) grow() {
	ring := make([]Packet, max(64, 2*len(q.ring)))
	for i := range q.count {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}

func (q *packetQueue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop returns the oldest packet. Where more are left it wakes the next reader.
func (q *packetQueue) pop() (Packet, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 {
		return Packet{}, false
	}
	p := q.ring[q.head]
	q.ring[q.head] = Packet{}
	q.head = (q.head + 1) % len(q.ring)
	q.count--
	if q.count > 0 {
		q.notify()
	}
	return p, true
}
