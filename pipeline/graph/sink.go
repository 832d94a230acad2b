package graph

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// sink is a sink's node: one goroutine chooses the frames and puts them into
// the queue, another writes them.
type sink struct {
	node
	*hooks
	spec    config.Sink
	part    pipeline.Sink
	when    condition
	pace    pace
	trigger trigger
	queue   queue
	broken  pipeline.Reason // the gravest break since the last frame chosen
	closing sync.Once
}

func newSink(g *Graph, spec config.Sink, part pipeline.Sink) *sink {
	s := &sink{
		node: newNode(g, spec.Name), hooks: newHooks(part), spec: spec, part: part,
		when: condition{spec.When}, pace: newPace(spec.Rate),
		trigger: trigger{edge: spec.Edge, hold: spec.Hold, cooldown: spec.Cooldown},
	}
	q := spec.Type.Queue
	if spec.Queue != nil {
		q = *spec.Queue
	}
	s.queue = queue{
		parcels: make(chan parcel, max(q.Depth, 1)), onFull: q.OnFull, breaks: &s.breaks,
		thrown: func(f *pipeline.Frame, why reason) {
			s.counts.dropped[why].Add(1)
			s.release(f)
		},
	}
	return s
}

// start begins to move frames. Writes get a context that ends with working.
func (s *sink) start(working context.Context) {
	go func() {
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
	if f.Dropped() != "" || f.Image() == nil && usesPixels(s.spec.Pixels) {
		return false
	}
	// A level is looked at on every frame, and the rate counts those for which
	// it is true. For edges the rate is how often the condition is looked at.
	if s.spec.Edge == pipeline.While {
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
	k := keep(f, s.spec.Pixels)
	k.Discontinuity, s.broken = s.broken, ""
	return k
}

// write takes frames from the queue until it ends, then closes the sink.
func (s *sink) write(working context.Context) {
	for p := range s.queue.parcels {
		if working.Err() != nil {
			s.counts.dropped[draining].Add(1)
			s.release(p.frame)
			continue
		}
		s.one(working, p)
	}
	if err := s.close(); err != nil {
		s.graph.closed(err)
	}
	s.faults.flush()
}

func (s *sink) one(working context.Context, p parcel) {
	f := p.frame
	defer s.release(f)
	begun := s.graph.now()
	s.counts.wait.observe(begun - p.sent)
	s.breaks.add(f.Discontinuity)
	err := s.call(working, f)
	end := s.graph.now()
	s.counts.process.observe(end - begun)
	if err != nil {
		s.failed(f, err)
		return
	}
	s.counts.out.Add(1)
	s.written(f, end)
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
	s.begin()
	defer s.end()
	defer recovered(&err)
	if err := s.prepare(f); err != nil {
		return err
	}
	return s.part.Write(working, f)
}

func (s *sink) failed(f *pipeline.Frame, err error) {
	why := s.fault(f, err)
	s.counts.dropped[why].Add(1)
	if errors.Is(err, pipeline.ErrFatal) || s.spec.OnError == stopRun {
		s.graph.fail(fmt.Errorf("sink %q: %w", s.name, err))
	}
}

// close closes the sink once.
func (s *sink) close() (err error) {
	s.closing.Do(func() {
		defer recovered(&err)
		err = s.part.Close()
	})
	if err != nil {
		return fmt.Errorf("sink %q: close: %w", s.name, err)
	}
	return nil
}
