package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// maxWaiting is how much video may wait for the decoder. Beyond that the
// picture is late for good, so everything up to the next keyframe is given up.
const maxWaiting = 500 * time.Millisecond

// A sender that floods within that time is held to these: 500 pictures a second,
// and eight of the largest that are taken.
const (
	maxUnits = 250
	maxBytes = 64 << 20
)

// Of units that go round, these stay: as many as wait where the decoder keeps
// up, and buffers of the size that most have.
const (
	maxFree     = 32
	maxFreeSize = 1 << 20
)

// queue holds access units between the goroutine that receives and the one that
// decodes. Units are copies in buffers that go round.
type queue struct {
	ready chan struct{} // holds one token while there may be something to take

	mu      sync.Mutex // guards what follows
	units   []*unit
	bytes   int // in units
	free    []*unit
	behind  bool // giving up units until the next keyframe
	restart bool // a unit that was given up began a new timeline
	renewed bool // one that was given up began a new session
	closed  bool
	err     error // why it closed
}

// unit is an access unit with data of its own.
type unit struct {
	decode.AccessUnit
	// restart says that the unit's timestamps do not continue the last one's.
	restart bool
	// renewed says that the unit is the first of another session.
	renewed bool
	// lost says that something was lost between the last unit and this one.
	lost bool
}

// coded returns u as sinks of units get it.
func (u *unit) coded() pipeline.Unit {
	c := codedUnit(&u.AccessUnit)
	switch {
	case u.renewed:
		c.Discontinuity = pipeline.Renewal
	case u.restart:
		c.Discontinuity = pipeline.Reconnect
	case u.lost:
		c.Discontinuity = pipeline.Loss
	}
	return c
}

func codedUnit(au *decode.AccessUnit) pipeline.Unit {
	return pipeline.Unit{
		Codec: string(au.Codec), Data: au.Data, PTS: au.PTS, Arrival: au.Arrival, Keyframe: au.Keyframe,
	}
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// push adds a copy of u. If the decoder is too slow, what waits is given up and
// so is everything until the next keyframe; push returns how many units that
// cost now.
func (q *queue) push(u unit) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0
	}
	if q.full(u) {
		dropped = q.giveUp()
		q.behind = true
	}
	if q.behind && !u.Keyframe {
		q.skip(&u)
		return dropped + 1
	}
	u.lost = u.lost || q.behind
	u.restart, u.renewed = u.restart || q.restart, u.renewed || q.renewed
	q.behind, q.restart, q.renewed = false, false, false
	q.units = append(q.units, q.copy(u))
	q.bytes += len(u.Data)
	q.signal()
	return dropped
}

func (q *queue) full(next unit) bool {
	n := len(q.units)
	return n > 0 && (n == maxUnits || q.bytes+len(next.Data) > maxBytes || next.Arrival.Sub(q.units[0].Arrival) > maxWaiting)
}

// giveUp empties the queue and returns how many units that cost.
func (q *queue) giveUp() int {
	n := len(q.units)
	for _, u := range q.units {
		q.skip(u)
		q.keep(u)
	}
	clear(q.units)
	q.units, q.bytes = q.units[:0], 0
	return n
}

// keep puts a unit where it is used again, if there is room.
func (q *queue) keep(u *unit) {
	if len(q.free) < maxFree && cap(u.Data) <= maxFreeSize {
		q.free = append(q.free, u)
	}
}

// skip remembers what began with a unit that is given up.
func (q *queue) skip(u *unit) {
	q.restart, q.renewed = q.restart || u.restart, q.renewed || u.renewed
}

func (q *queue) copy(u unit) *unit {
	c := q.blank()
	data := append(c.Data[:0], u.Data...)
	*c = u
	c.Data = data
	return c
}

func (q *queue) blank() *unit {
	if n := len(q.free); n > 0 {
		c := q.free[n-1]
		q.free = q.free[:n-1]
		return c
	}
	return new(unit)
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// pop waits for the oldest unit. The caller hands it back with recycle.
func (q *queue) pop(ctx context.Context) (*unit, error) {
	for {
		u, err := q.take()
		if u != nil || err != nil {
			return u, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.ready:
		}
	}
}

func (q *queue) take() (*unit, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.units) == 0 {
		if q.closed {
			q.signal() // for the next caller
			return nil, q.err
		}
		return nil, nil
	}
	u := q.units[0]
	q.bytes -= len(u.Data)
	q.units = append(q.units[:0], q.units[1:]...)
	return u, nil
}

func (q *queue) recycle(u *unit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keep(u)
}

// clear ends the queue at once, with err where it has not ended already.
func (q *queue) clear(err error) {
	q.close(err)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveUp()
}

// close ends the queue with err, after what waits in it.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed, q.err = true, err
	q.signal()
}
