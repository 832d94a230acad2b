package graph

import (
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// beside calls the stage beside the line, on the newest frame, and never holds
// the line up.
type beside struct {
	*stage
	newest chan *pipeline.Frame // a Keep, so that no slot is held
	broken pipeline.Reason      // the gravest break since the last of them
}

func newBeside(s *stage) *beside { return &beside{stage: s, newest: make(chan *pipeline.Frame, 1)} }

func (b *beside) start() {
	b.running.Go(b.move)
	b.running.Go(b.work)
}

func (b *beside) move() {
	defer close(b.newest)
	for {
		f, now, ok := b.next()
		if !ok {
			b.closeOutputs()
			b.empty()
			return
		}
		b.broken = graver(b.broken, f.Discontinuity)
		switch b.judge(f) {
		case work:
			b.offer(f)
			b.held.lay(f)
		case carry:
			b.held.lay(f)
		}
		b.send(f, now)
	}
}

// offer puts a copy of f in the place of one that was not taken yet.
func (b *beside) offer(f *pipeline.Frame) {
	k := keep(f, b.spec.Load().Pixels)
	k.Discontinuity, b.broken = b.broken, ""
	if old := b.untaken(); old != nil {
		k.Discontinuity = graver(old.Discontinuity, k.Discontinuity)
		b.counts.dropped[overtaken].Add(1)
		b.release(old)
	}
	b.newest <- k
}

// untaken takes back the frame that waits.
func (b *beside) untaken() *pipeline.Frame {
	select {
	case old := <-b.newest:
		return old
	default:
		return nil
	}
}

// empty spares the stage a look that no frame would carry.
func (b *beside) empty() {
	if old := b.untaken(); old != nil {
		b.release(old)
	}
}

func (b *beside) work() {
	for k := range b.newest {
		b.look(k, b.graph.now())
	}
}

func (b *beside) look(k *pipeline.Frame, now time.Duration) {
	if b.graph.aborted() || b.dismissed.Load() {
		b.release(k)
		return
	}
	b.note(k)
	err, mine := b.instances[0].attempt(k, now)
	if !mine {
		return
	}
	if err == nil {
		b.held.keep(k.Results(b.name), true)
	}
	if !b.dismissed.Load() {
		b.settle(k, err)
	}
	b.worked(k, now, b.graph.now(), err)
	b.release(k)
}

// outlasted has nothing to send on: the frame itself is long gone.
func (b *beside) outlasted(_ *instance, standIn *pipeline.Frame) { b.release(standIn) }
