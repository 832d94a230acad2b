package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// entrance is a source's node: here frames get the slot that they hold while
// they are in flight.
type entrance struct {
	node
	spec    config.Source
	source  pipeline.Source
	slots   chan struct{}
	free    func()
	broken  pipeline.Reason // the gravest break since the last frame that got in
	last    atomic.Pointer[pipeline.Message]
	entered uint64
	held    atomic.Bool             // for a reload, which takes the slots
	relays  atomic.Pointer[[]*sink] // that take its access units
	sounds  atomic.Pointer[[]*sink] // that take its sound
	closing sync.Once
}

func newEntrance(g *Graph, spec config.Source, source pipeline.Source) *entrance {
	e := &entrance{
		node: newNode(g, pipeline.SpanSource, spec.Name), spec: spec, source: source,
		slots: make(chan struct{}, g.room),
	}
	e.free = func() { <-e.slots }
	return e
}

// start begins to read until reading ends.
func (e *entrance) start(reading context.Context, ended func(*entrance)) {
	go func() {
		defer close(e.done)
		err := e.read(reading)
		e.closeOutputs() // also giveUp may have, while the source hung
		if err != nil {
			e.graph.fail(fmt.Errorf("%s: %w", e, err))
		}
		ended(e)
		if err := e.close(); err != nil {
			e.graph.closed(err)
		}
		e.faults.flush()
	}()
}

// read lets frames in until the source ends.
func (e *entrance) read(reading context.Context) (err error) {
	defer recovered(&err)
	for !e.satisfied() {
		f, err := e.source.Read(reading)
		switch {
		case reading.Err() != nil || errors.Is(err, io.EOF):
			if f != nil && err == nil {
				e.release(f)
			}
			return nil
		case err != nil:
			return err
		}
		e.meet(reading, f)
	}
	return nil
}

// satisfied says that the source has given as many frames as it was asked for.
func (e *entrance) satisfied() bool {
	return e.graph.cfg.MaxFrames > 0 && !e.spec.Type.Messages && e.entered >= e.graph.cfg.MaxFrames
}

// meet lets f in where there is room for it.
func (e *entrance) meet(reading context.Context, f *pipeline.Frame) {
	e.counts.in.Add(1)
	if f.Stream == "" {
		f.Stream = e.name
	}
	if f.Message != nil {
		e.last.Store(f.Message)
	}
	if e.graph.cfg.OnFrame != nil {
		e.graph.cfg.OnFrame(e.spec.Session, f)
	}
	e.broken = graver(e.broken, f.Discontinuity)
	e.trace(f)
	begun := e.graph.now()
	if !e.take(reading) {
		e.refuse(reading, f)
		return
	}
	f.Occupy(e.free)
	e.graph.guard(f)
	f.Discontinuity, e.broken = e.broken, ""
	now := e.graph.now()
	e.waited(f, begun, now)
	e.entered++
	e.enter(f)
}

func (e *entrance) refuse(reading context.Context, f *pipeline.Frame) {
	why := noSlot
	switch {
	case reading.Err() != nil:
		why = draining
	case e.held.Load():
		why = reloading
	}
	e.counts.dropped[why].Add(1)
	e.lost(f, why.String(), nil)
	e.release(f)
}

// take takes a slot. Pictures of a live source do not wait for one. Messages
// do: none of them stands for the ones before it.
func (e *entrance) take(reading context.Context) bool {
	if e.source.Live() && !e.spec.Type.Messages {
		select {
		case e.slots <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case e.slots <- struct{}{}:
		return true
	case <-reading.Done():
		return false
	}
}

func (e *entrance) enter(f *pipeline.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		e.release(f)
		return
	}
	e.send(f, e.graph.now())
}

func (e *entrance) close() (err error) {
	e.closing.Do(func() {
		defer recovered(&err)
		err = e.source.Close()
	})
	if err != nil {
		return fmt.Errorf("%s: close: %w", e, err)
	}
	return nil
}
