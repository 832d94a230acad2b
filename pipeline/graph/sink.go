package graph

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// sink is a sink's node: one goroutine chooses the frames and puts them into
// the queue, another writes them.
type sink struct {
	node
	*hooks
	spec    atomic.Pointer[config.Sink]
	part    pipeline.Sink
	when    condition
	pace    pace
	trigger trigger
	queue   queue
	broken  pipeline.Reason // the gravest break since the last frame chosen
	since   atomic.Int64    // when the Write under way began, plus one; or idle, or awaits
	late    atomic.Bool     // it lasts suspiciously long
	closing sync.Once
	inlet   *inlet    // nil for a sink of frames
	source  *entrance // of what comes in there
	ear     *ear      // nil for a sink without sound

	after   <-chan struct{}    // closed when the sink that this one replaces is; nil for none
	aborted <-chan struct{}    // closed when the context of the Writes ends; set by start
	abort   context.CancelFunc // ends the context of the Writes; set by start
}

// awaits is what a sink's since says until the sink that it replaces has ended.
const awaits = -1

func newSink(g *Graph, spec config.Sink) *sink {
	s := &sink{
		node: newNode(g, pipeline.SpanSink, spec.Name),
		when: condition{spec.When}, pace: newPace(spec.Rate),
		trigger: trigger{edge: spec.Edge, hold: spec.Hold, cooldown: spec.Cooldown},
	}
	s.spec.Store(&spec)
	q := spec.ActualQueue()
	s.queue = queue{
		parcels: make(chan parcel, max(q.Depth, 1)), onFull: q.OnFull, yield: make(chan struct{}),
		thrown: func(f *pipeline.Frame, why reason) {
			s.forgo(f, why)
		},
	}
	return s
}

// start begins to move frames. Writes get a context that ends with working.
func (s *sink) start(working context.Context) {
	working, s.abort = context.WithCancel(working)
	s.aborted = working.Done()
	go func() {
		defer s.abort()
		defer close(s.done)
		s.write(working)
	}()
	go s.choose(working)
}

func (s *sink) choose(working context.Context) {
	defer close(s.queue.parcels)
	for {
		p, ok := s.receive()
		if !ok {
			return
		}
		f := p.frame
		s.broken = graver(s.broken, f.Discontinuity)
		if s.wants(f) {
			s.queue.put(parcel{s.copy(f), p.sent}, working.Done())
		}
		s.release(f)
	}
}

// wants says whether the sink is to act on f.
func (s *sink) wants(f *pipeline.Frame) bool {
	if f.Dropped() != "" || f.Image() == nil && usesPixels(s.spec.Load().Pixels) {
		return false
	}
	// A level is looked at on every frame, and the rate counts those for which
	// it is true. For edges the rate is how often the condition is looked at.
	if s.trigger.edge == pipeline.While {
		return s.triggered(f) && s.due(f)
	}
	return s.due(f) && s.triggered(f)
}

func (s *sink) due(f *pipeline.Frame) bool {
	if s.pace.due(f.PTS) {
		return true
	}
	s.counts.skipped[notDue].Add(1)
	return false
}

func (s *sink) triggered(f *pipeline.Frame) bool {
	if s.when.program == nil {
		return true
	}
	value, present := s.when.eval(&s.node, f)
	if s.trigger.fires(value, present, f.PTS) {
		return true
	}
	if present {
		s.counts.skipped[unwanted].Add(1)
	}
	return false
}

// copy returns what waits in the queue for f.
func (s *sink) copy(f *pipeline.Frame) *pipeline.Frame {
	k := keep(f, s.spec.Load().Pixels)
	k.Discontinuity, s.broken = s.broken, ""
	return k
}

// write takes frames from the queue until it ends, then closes the sink.
func (s *sink) write(working context.Context) {
	s.await()
	for s.next(working) {
	}
	s.rest(working)
	if err := errors.Join(s.close(), s.leaked()); err != nil {
		s.graph.closed(err)
	}
	s.faults.flush()
}

// next writes the next frame, access unit or packet of sound; false says that no
// frame comes any more. Sound comes first: that of a picture is handed on before
// it, and would fall behind it for good where pictures always wait.
func (s *sink) next(working context.Context) bool {
	select {
	case a := <-s.ear.waiting():
		s.audio(working, a)
		return true
	default:
	}
	select {
	case p, ok := <-s.queue.parcels:
		switch {
		case !ok:
			return false
		case working.Err() != nil:
			s.forgo(p.frame, draining)
		default:
			s.one(working, p)
		}
	case u := <-s.waiting():
		s.unit(working, u)
	case a := <-s.ear.waiting():
		s.audio(working, a)
	}
	return true
}

// await lets the sink that this one replaces finish: both may write to the same
// file. Meanwhile frames wait in the queue.
func (s *sink) await() {
	if s.after == nil {
		return
	}
	s.since.Store(awaits)
	defer s.since.Store(idle)
	select {
	case <-s.after:
	case <-s.graph.cfg.Clock.After(s.graph.cfg.Drain):
	}
}

func (s *sink) one(working context.Context, p parcel) {
	f := p.frame
	defer s.release(f)
	begun := s.graph.now()
	s.waited(f, p.sent, begun)
	s.breaks.add(f.Discontinuity)
	s.since.Store(int64(begun) + 1)
	err := s.call(working, f)
	end := s.graph.now()
	s.since.Store(idle)
	s.returned(end - begun)
	s.counts.process.observe(end - begun)
	span := pipeline.Span{Kind: pipeline.SpanSink, Err: err}
	if err != nil {
		span.Dropped = s.failed(f, err).String()
	}
	s.record(f, span, begun, end)
	if err == nil {
		s.counts.out.Add(1)
		s.written(f, end)
	}
}

// forgo ends a frame that is not written.
func (s *sink) forgo(f *pipeline.Frame, why reason) {
	s.counts.dropped[why].Add(1)
	s.lost(f, why.String(), nil)
	s.release(f)
}

func (s *sink) written(f *pipeline.Frame, now time.Duration) {
	at := s.graph.began.Add(now)
	if !f.Arrival.IsZero() && f.Message == nil {
		s.counts.latency.observe(at.Sub(f.Arrival))
		s.graph.latency.observe(at.Sub(f.Arrival))
	}
	if s.graph.cfg.OnWrite != nil {
		s.graph.cfg.OnWrite(s.name, f, at)
	}
}

func (s *sink) call(working context.Context, f *pipeline.Frame) (err error) {
	s.hooks.begin()
	defer s.hooks.end()
	f.Count(&s.counts.kept)
	defer f.Count(nil)
	s.lend(f)
	defer s.takeBack(f)
	defer recovered(&err)
	if err := s.prepare(f); err != nil {
		return err
	}
	return s.part.Write(working, f)
}

func (s *sink) failed(f *pipeline.Frame, err error) (why reason) {
	why = s.fault(f, err)
	s.counts.dropped[why].Add(1)
	if errors.Is(err, pipeline.ErrFatal) || s.spec.Load().OnError == stopRun {
		s.graph.fail(fmt.Errorf("%s: %w", s, err))
	}
	return why
}

// close closes the sink once.
func (s *sink) close() (err error) {
	if s.part == nil {
		return nil // it could not be made
	}
	s.closing.Do(func() {
		defer recovered(&err)
		err = s.part.Close()
	})
	if err != nil {
		return fmt.Errorf("%s: close: %w", s, err)
	}
	return nil
}
