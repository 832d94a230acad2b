package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// relayDepth is how many access units may wait for a sink: seconds of video,
// which a disk may need to come back.
const relayDepth = 256

// inlet is where access units wait for a sink. One goroutine, the source's,
// puts; the sink's takes.
type inlet struct {
	units  chan pipeline.Unit
	part   pipeline.UnitSink
	behind bool // units are given up until the next keyframe
}

// relay hands a unit to the sinks that take this source's.
func (e *entrance) relay(u pipeline.Unit) {
	sinks := e.relays.Load()
	if sinks == nil || len(*sinks) == 0 {
		return
	}
	u.Data = bytes.Clone(u.Data)
	for _, s := range *sinks {
		s.admit(u, e.source.Live())
	}
}

// requestKeyframe asks the source for one.
func (e *entrance) requestKeyframe() {
	if source, ok := e.source.(pipeline.UnitSource); ok {
		source.RequestKeyframe()
	}
}

// admit puts a unit where it waits for the sink. A source that is not live waits
// for room; of a live one, what finds none is lost, and all that refers to it.
func (s *sink) admit(u pipeline.Unit, live bool) {
	in := s.inlet
	if !live {
		put(s, in.units, u)
		return
	}
	if in.behind && !u.Keyframe {
		s.counts.dropped[queueFull].Add(1)
		return
	}
	if in.behind {
		u.Discontinuity = graver(u.Discontinuity, pipeline.Loss)
	}
	select {
	case in.units <- u:
		in.behind = false
	default:
		in.behind = true
		s.counts.dropped[queueFull].Add(1)
	}
}

// waiting returns the channel of the units that wait, nil for a sink of frames.
func (s *sink) waiting() <-chan pipeline.Unit {
	if s.inlet == nil {
		return nil
	}
	return s.inlet.units
}

// rest writes the units and the sound that wait when no frame comes any more.
func (s *sink) rest(working context.Context) {
	for working.Err() == nil {
		select {
		case u := <-s.waiting():
			s.unit(working, u)
		case a := <-s.ear.waiting():
			s.audio(working, a)
		default:
			return
		}
	}
}

// unit writes a unit.
func (s *sink) unit(working context.Context, u pipeline.Unit) {
	s.aside("access unit not written", func() error { return s.inlet.part.WriteUnit(working, u) })
}

// aside calls the sink for what is no frame. An error is said to be what.
func (s *sink) aside(what string, write func() error) {
	begun := s.graph.now()
	s.since.Store(int64(begun) + 1)
	err := s.guard(write)
	s.since.Store(idle)
	s.returned(s.graph.now() - begun)
	switch {
	case errors.Is(err, pipeline.ErrNeedKeyframe):
		s.source.requestKeyframe()
	case errors.Is(err, pipeline.ErrFatal):
		s.graph.fail(fmt.Errorf("%s: %w", s, err))
	case err != nil:
		s.faults.report(what, err)
	}
}

func (s *sink) guard(write func() error) (err error) {
	s.hooks.begin()
	defer s.hooks.end()
	defer recovered(&err)
	return write()
}

// subscribe makes the sink take the units of its source, if its kind says so.
func (s *sink) subscribe(spec *config.Sink) error {
	from := s.graph.source(spec.From)
	if !spec.Encoded || from == nil { // what could not be built has been told
		return nil
	}
	part, ok := s.part.(pipeline.UnitSink)
	if !ok {
		return fmt.Errorf("its kind says that it takes access units, and it does not: %w", pipeline.ErrInvalid)
	}
	if _, ok := from.source.(pipeline.UnitSource); !ok {
		return fmt.Errorf("from: %s has no coded pictures: %w", from.name, pipeline.ErrInvalid)
	}
	s.source = from
	s.inlet = &inlet{units: make(chan pipeline.Unit, relayDepth), part: part}
	return nil
}

// handOut has each source know the sinks of l that take its units and its sound.
func (g *Graph) handOut(l *layout) {
	for _, e := range g.sources {
		e.relays.Store(l.takers(func(s *sink) bool { return s.inlet != nil && s.source == e }))
		e.sounds.Store(l.takers(func(s *sink) bool { return s.ear != nil && s.source == e }))
	}
}

// takers are the sinks of l that take something.
func (l *layout) takers(take func(*sink) bool) *[]*sink {
	var takers []*sink
	for _, s := range l.sinks {
		if take(s) {
			takers = append(takers, s)
		}
	}
	return &takers
}

// put puts v where it waits for the sink, once there is room.
func put[T any](s *sink, queue chan<- T, v T) {
	select {
	case queue <- v:
	case <-s.done:
	case <-s.aborted:
	}
}
