package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Changes is what a reload did, by the names of the nodes.
type Changes struct {
	// Kept nodes are as they were, Adjusted ones go on with other settings or
	// in another place.
	Kept     []string `json:"kept"`
	Adjusted []string `json:"adjusted"`
	// Rebuilt nodes were closed and made anew.
	Rebuilt []string `json:"rebuilt"`
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

// None says that nothing changed.
func (c Changes) None() bool {
	return len(c.Adjusted)+len(c.Rebuilt)+len(c.Added)+len(c.Removed) == 0
}

// ErrOver answers who reloads a graph that has ended.
var ErrOver = errors.New("the run is over")

// Reload makes the running graph that of another version of its file. What
// changed is built while frames flow; then the entrance is held for a second at
// most, until what is in flight has reached the sinks' queues, and frames of
// live sources that come meanwhile are dropped and counted. Nodes of the same
// name, kind and configuration go on, whatever their place; a sink that is
// replaced writes what it has been given before the new one begins.
//
// An error changes nothing. Sessions and sources stay: see [Compatible]. Before
// Run, Reload waits for it.
func (g *Graph) Reload(ctx context.Context, spec *config.Spec) (Changes, error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	before := g.layout.Load().spec
	if err := Compatible(before, spec); err != nil {
		return Changes{}, err
	}
	c, err := g.reload(ctx, spec)
	taken, ok := errors.AsType[*portTaken](err)
	if !ok {
		return c.did, err
	}
	// The port may be that of a sink which goes: let it go first.
	return c.did, g.handOver(ctx, before, spec, taken.sinks)
}

func (g *Graph) reload(ctx context.Context, spec *config.Spec) (*change, error) {
	c := &change{graph: g, next: &layout{spec: spec}, before: g.layout.Load()}
	c.compose()
	if c.did.None() {
		return c, nil
	}
	err := c.build()
	if err == nil {
		err = c.sessionReady(ctx)
	}
	if err == nil {
		err = c.submit(ctx)
	}
	if err != nil {
		c.discard()
	}
	return c, err
}

// handOver reloads in two steps, some sinks in the second.
func (g *Graph) handOver(ctx context.Context, before, spec *config.Spec, sinks []string) error {
	rest := *spec
	rest.Sinks = slices.DeleteFunc(slices.Clone(spec.Sinks), func(s config.Sink) bool { return slices.Contains(sinks, s.Name) })
	c, err := g.reload(ctx, &rest)
	if err != nil {
		return err
	}
	for _, s := range c.leavingSinks() {
		select {
		case <-s.done:
		case <-ctx.Done():
		case <-g.cfg.Clock.After(g.cfg.Drain):
		}
	}
	if _, err = g.reload(ctx, spec); err == nil {
		return nil
	}
	if _, undo := g.reload(context.WithoutCancel(ctx), before); undo != nil {
		return fmt.Errorf("%w; and going back failed: %w", err, undo)
	}
	return err
}

// change is one layout on its way to be the graph's.
type change struct {
	graph        *Graph
	before, next *layout
	did          Changes
	stages       []*stage // of next, the new ones
	sinks        []*sink
	adjust       []func()
	taken        chan error // by Run
}

// compose decides on every node of the next layout.
func (c *change) compose() {
	for _, spec := range c.next.spec.Stages {
		c.next.stages = append(c.next.stages, c.stage(spec))
	}
	for _, spec := range c.next.spec.Sinks {
		c.next.sinks = append(c.next.sinks, c.sink(spec))
	}
	for _, n := range c.before.nodes() {
		if c.next.node(n.name) == nil {
			c.did.Removed = append(c.did.Removed, n.name)
		}
	}
}

// stage returns the stage that is to be there: the one before, if it can go on.
func (c *change) stage(spec config.Stage) *stage {
	i := slices.IndexFunc(c.before.stages, func(s *stage) bool { return s.name == spec.Name })
	if i < 0 {
		c.did.Added = append(c.did.Added, spec.Name)
		return c.newStage(spec)
	}
	was := c.before.stages[i]
	how := was.compare(spec)
	if c.note(spec.Name, how); how != rebuilt {
		c.adjust = append(c.adjust, func() { was.adopt(spec) })
		return was
	}
	return c.newStage(spec)
}

func (c *change) newStage(spec config.Stage) *stage {
	s := newStage(c.graph, spec)
	c.stages = append(c.stages, s)
	return s
}

// sink is the same for a sink.
func (c *change) sink(spec config.Sink) *sink {
	i := slices.IndexFunc(c.before.sinks, func(s *sink) bool { return s.name == spec.Name })
	if i < 0 {
		c.did.Added = append(c.did.Added, spec.Name)
		return c.newSink(spec)
	}
	was := c.before.sinks[i]
	how := was.compare(spec)
	if c.note(spec.Name, how); how != rebuilt {
		c.adjust = append(c.adjust, func() { was.adopt(spec, c.next) })
		return was
	}
	s := c.newSink(spec)
	s.after = was.done
	c.adjust = append(c.adjust, func() { s.trigger = was.trigger.refined(spec, was.spec.Load()) })
	return s
}

func (c *change) newSink(spec config.Sink) *sink {
	s := newSink(c.graph, spec)
	c.sinks = append(c.sinks, s)
	return s
}

func (c *change) note(name string, how likeness) {
	list := [...]*[]string{kept: &c.did.Kept, adjusted: &c.did.Adjusted, rebuilt: &c.did.Rebuilt}[how]
	*list = append(*list, name)
}

// portTaken is why some sinks could not be built, and nothing else went wrong.
type portTaken struct {
	error
	sinks []string
}

func (e *portTaken) Unwrap() error { return e.error }

// build makes what is new. The error tells of all that could not be made.
func (c *change) build() error {
	var errs []error
	for _, s := range c.stages {
		errs = append(errs, s.build(c.next.spec))
	}
	var waiting []string
	for _, s := range c.sinks {
		err := s.build(c.next.spec)
		if errors.Is(err, syscall.EADDRINUSE) {
			waiting = append(waiting, s.name)
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	failed := len(slices.DeleteFunc(errs, func(err error) bool { return err == nil }))
	if failed > 0 && failed == len(waiting) && len(c.leavingSinks()) > 0 {
		return &portTaken{err, waiting}
	}
	return err
}

// sessionReady compares the new nodes with their sessions.
func (c *change) sessionReady(ctx context.Context) error {
	var errs []error
	for _, s := range c.stages {
		errs = append(errs, s.sessionReady(ctx, c.next.spec))
	}
	for _, s := range c.sinks {
		errs = append(errs, s.sessionReady(ctx, c.next.spec))
	}
	return errors.Join(errs...)
}

// submit has Run take the change.
func (c *change) submit(ctx context.Context) error {
	c.taken = make(chan error, 1)
	select {
	case c.graph.changes <- c:
		return <-c.taken
	case <-c.graph.over:
		return ErrOver
	case <-ctx.Done():
		return ctx.Err()
	}
}

// discard closes what was built for nothing.
func (c *change) discard() {
	for _, s := range c.stages {
		s.close()
	}
	for _, s := range c.sinks {
		if err := s.close(); err != nil {
			s.faults.log.Warn("not closed well", "err", err)
		}
	}
}

// leavingSinks are the sinks that the next layout has no more.
func (c *change) leavingSinks() []*sink {
	return slices.DeleteFunc(slices.Clone(c.before.sinks), func(s *sink) bool { return slices.Contains(c.next.sinks, s) })
}

// take makes the next layout the graph's. It is called by Run.
func (c *change) take(reading, working context.Context) error {
	h := &hold{change: c, taken: make(map[*entrance]int)}
	defer h.release()
	if err := h.take(reading); err != nil {
		return err
	}
	g := c.graph
	for _, adjust := range c.adjust {
		adjust()
	}
	if err := g.connect(c.next); err != nil {
		return err
	}
	for _, s := range c.sinks {
		s.adapt(c.next)
		s.start(working)
	}
	for _, s := range c.stages {
		s.start(working)
	}
	g.layout.Store(c.next)
	g.dismiss(c)
	select {
	case g.look <- struct{}{}:
	default:
	}
	return nil
}

// dismiss lets the nodes end that the layout has no more.
func (g *Graph) dismiss(c *change) {
	g.leaving = slices.DeleteFunc(g.leaving, func(n *node) bool {
		select {
		case <-n.done:
			return true
		default:
			return false
		}
	})
	for _, s := range c.before.stages {
		if !slices.Contains(c.next.stages, s) {
			s.dismiss()
		}
	}
	stays := c.next.nodes()
	for _, n := range c.before.nodes() {
		if !slices.Contains(stays, n) {
			n.reroute(nil)
			g.leaving = append(g.leaving, n)
		}
	}
}

// holdTime is the longest that the entrance is held; after what is left of
// patience calls that are under way are not waited for.
const (
	holdTime = time.Second
	patience = 6 * holdTime / 10
)

// hold keeps frames out of the graph, by taking the slots of all sources.
type hold struct {
	*change
	taken map[*entrance]int
}

// take returns once nothing is in flight.
func (h *hold) take(reading context.Context) error {
	g := h.graph
	for _, e := range g.sources {
		e.held.Store(true)
	}
	if h.slots(reading, g.cfg.Clock.After(patience)) {
		return nil
	}
	if reading.Err() != nil {
		return ErrOver
	}
	g.hurry.Store(true)
	defer g.hurry.Store(false)
	now := g.now()
	for _, s := range h.inLine() {
		s.expire(now, 0)
	}
	if h.pressed(reading, g.cfg.Clock.After(holdTime-patience)) {
		return nil
	}
	if reading.Err() != nil {
		return ErrOver
	}
	return fmt.Errorf("what is in flight did not leave the graph within %s: %s", holdTime, strings.Join(h.busy(), ", "))
}

// pressed is slots with the sinks that leave not waited for: frames do not wait
// for room at them, and once the slots are taken their Writes end.
func (h *hold) pressed(reading context.Context, late <-chan time.Time) bool {
	leaving, over := h.leavingSinks(), make(chan struct{})
	var giving sync.WaitGroup
	for _, s := range leaving {
		giving.Go(func() { s.queue.giveWay(over) })
	}
	ok := h.slots(reading, late)
	close(over)
	giving.Wait()
	if ok {
		for _, s := range leaving {
			s.abort()
		}
	}
	return ok
}

// slots takes all slots, until it is late.
func (h *hold) slots(reading context.Context, late <-chan time.Time) bool {
	for _, e := range h.graph.sources {
		for h.taken[e] < cap(e.slots) {
			select {
			case e.slots <- struct{}{}:
				h.taken[e]++
			case <-late:
				return false
			case <-reading.Done():
				return false
			}
		}
	}
	return true
}

// inLine are the stages that frames in flight wait for. The calls of an async
// stage hold no slot.
func (h *hold) inLine() []*stage {
	return slices.DeleteFunc(slices.Clone(h.before.stages), func(s *stage) bool { return s.spec.Load().Async })
}

// busy names the nodes that frames wait at.
func (h *hold) busy() (names []string) {
	for _, s := range h.inLine() {
		if s.node.queued() > 0 || slices.ContainsFunc(s.instances, (*instance).busy) {
			names = append(names, s.String())
		}
	}
	for _, s := range h.before.sinks {
		if slices.Contains(h.next.sinks, s) && s.queue.onFull == pipeline.Block && len(s.queue.parcels) == cap(s.queue.parcels) {
			names = append(names, s.String())
		}
	}
	return names
}

func (h *hold) release() {
	for _, e := range h.graph.sources {
		e.held.Store(false)
		for range h.taken[e] {
			<-e.slots
		}
	}
}

// nodes returns the nodes of the layout.
func (l *layout) nodes() []*node {
	var nodes []*node
	for _, s := range l.stages {
		nodes = append(nodes, &s.node)
	}
	for _, s := range l.sinks {
		nodes = append(nodes, &s.node)
	}
	return nodes
}

// node returns the one with that name, or nil.
func (l *layout) node(name string) *node {
	nodes := l.nodes()
	if i := slices.IndexFunc(nodes, func(n *node) bool { return n.name == name }); i >= 0 {
		return nodes[i]
	}
	return nil
}
