package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Run moves frames until all sources of pictures have ended (or, without any,
// those of messages), ctx does, or a node fails the run. Then it reads no more,
// lets what is in flight reach the sinks and closes them. It returns the first
// cause, nil for an orderly end or the end of ctx, joined with what went wrong
// in closing; an error that names the nodes which hang, if some do. It can be
// called once.
func (g *Graph) Run(ctx context.Context) error {
	if g.begun.Swap(true) {
		return errors.New("the graph has run or was closed")
	}
	defer g.metrics.unregister()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	working, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	over := make(chan struct{})
	watched := make(chan struct{})
	defer func() { close(over); <-watched }()

	g.stop = stop
	g.start(reading, working)
	go func() {
		defer close(watched)
		g.watch(over)
	}()
	g.turn(reading, working)
	return g.result(g.drain(ctx, abort))
}

// turn takes changes in until the sources have ended.
func (g *Graph) turn(reading, working context.Context) {
	defer close(g.over)
	for {
		select {
		case <-reading.Done():
			return
		case c := <-g.changes:
			c.taken <- c.take(reading, working)
		}
	}
}

// start starts the sinks first and the sources last.
func (g *Graph) start(reading, working context.Context) {
	l := g.layout.Load()
	for _, s := range l.sinks {
		s.adapt(l)
		s.start(working)
	}
	for _, s := range l.stages {
		s.start(working)
	}
	ended := g.countdown()
	for _, e := range g.sources {
		e.start(reading, ended)
	}
}

// countdown returns what sources call at their end. The last source of pictures
// stops all others; without pictures it is the last of all.
func (g *Graph) countdown() func(*entrance) {
	pictures := 0
	for _, e := range g.sources {
		if !e.spec.Type.Messages {
			pictures++
		}
	}
	messagesOnly := pictures == 0
	left := pictures
	if messagesOnly {
		left = len(g.sources)
	}
	if left == 0 {
		g.stop()
	}
	return func(e *entrance) {
		if e.spec.Type.Messages && !messagesOnly {
			return
		}
		g.mu.Lock()
		left--
		last := left == 0
		g.mu.Unlock()
		if last {
			g.stop()
		}
	}
}

// drain waits for all nodes to end. After an orderly end it is patient for as
// long as something moves; after the end of ctx or a failure all has to be over
// within Drain.
func (g *Graph) drain(ctx context.Context, abort context.CancelFunc) error {
	all := g.allDone()
	defer abort()
	if g.flowOut(ctx, all) {
		return nil
	}
	// Time is short: end the nodes' contexts, then go on without the calls that
	// do not heed it, then without the nodes.
	g.late.Store(true)
	abort()
	if g.wait(all, g.cfg.Drain/10) {
		return nil
	}
	g.giveUp()
	if g.wait(all, g.cfg.Drain/10) {
		return nil
	}
	return fmt.Errorf("%s did not end within %s", strings.Join(g.hanging(), ", "), g.cfg.Drain)
}

// flowOut waits for what is in flight to reach the sinks.
func (g *Graph) flowOut(ctx context.Context, all <-chan struct{}) bool {
	patience := g.cfg.Drain - g.cfg.Drain/5
	for ctx.Err() == nil && !g.failed() {
		before := g.moved()
		select {
		case <-all:
			return true
		case <-ctx.Done():
		case <-g.cfg.Clock.After(patience):
			if g.moved() == before {
				return false
			}
		}
	}
	return g.wait(all, patience)
}

func (g *Graph) failed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause != nil
}

// moved counts what the nodes have done so far.
func (g *Graph) moved() (n uint64) {
	for _, node := range g.nodes() {
		n += node.counts.in.Load() + node.counts.process.count()
	}
	return n
}

func (g *Graph) wait(all <-chan struct{}, d time.Duration) bool {
	select {
	case <-all:
		return true
	case <-g.cfg.Clock.After(d):
		return false
	}
}

// giveUp goes on without sources that do not return from Read and stages that
// do not return from Process, so that the sinks behind them close.
func (g *Graph) giveUp() {
	for _, e := range g.sources {
		e.closeOutputs()
	}
	now := g.now()
	for _, s := range g.layout.Load().stages {
		s.expire(now, 0)
	}
}

func (g *Graph) allDone() <-chan struct{} {
	all := make(chan struct{})
	go func() {
		defer close(all)
		for _, n := range g.nodes() {
			<-n.done
		}
	}()
	return all
}

// nodes returns all nodes, those that feed others first, then those that were
// replaced.
func (g *Graph) nodes() []*node {
	var nodes []*node
	for _, e := range g.sources {
		nodes = append(nodes, &e.node)
	}
	return slices.Concat(nodes, g.layout.Load().nodes(), g.leaving)
}

// hanging returns what has not ended.
func (g *Graph) hanging() (names []string) {
	for _, n := range g.nodes() {
		select {
		case <-n.done:
		default:
			names = append(names, n.String())
		}
	}
	return names
}

// result joins the first cause with what went wrong at the end.
func (g *Graph) result(hanging error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(append([]error{g.cause, hanging}, g.errors...)...)
}
