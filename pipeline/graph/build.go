package graph

import (
	"errors"
	"fmt"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// layout is what follows the sources. It is never changed: a reload makes
// another one.
type layout struct {
	spec   *config.Spec
	stages []*stage
	sinks  []*sink
}

// build makes the nodes and the edges between them.
func (g *Graph) build() error {
	var errs []error
	for _, spec := range g.cfg.Spec.Sources {
		errs = append(errs, g.buildSource(spec))
	}
	c := &change{graph: g, before: &layout{}, next: &layout{spec: g.cfg.Spec}}
	c.compose()
	errs = append(errs, c.build())
	g.layout.Store(c.next)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return g.connect(c.next)
}

func (g *Graph) buildSource(spec config.Source) error {
	source, err := guarded(spec.Type.Build, g.env(g.cfg.Spec, spec.Name, spec.Type.Name, spec.Session), spec.Config)
	if err != nil {
		return fmt.Errorf("%s:%d: source %q: %w", g.cfg.Spec.Path, spec.Line, spec.Name, err)
	}
	e := newEntrance(g, spec, source)
	if coded, ok := source.(pipeline.UnitSource); ok {
		coded.Relay(e.relay)
	}
	if sounded, ok := source.(pipeline.AudioSource); ok {
		sounded.Listen(e.sound)
	}
	g.sources = append(g.sources, e)
	return nil
}

// build makes the stage's instances.
func (s *stage) build(of *config.Spec) error {
	spec := s.spec.Load()
	for range max(spec.Workers, 1) {
		part, err := guarded(spec.Type.Build, s.graph.env(of, spec.Name, spec.Type.Name, spec.Session), spec.Config)
		if err != nil {
			return at(of, "stage", spec.Node, err)
		}
		s.add(part)
	}
	s.choose()
	return nil
}

// build makes the sink itself.
func (s *sink) build(of *config.Spec) error {
	spec := s.spec.Load()
	env := s.graph.env(of, spec.Name, spec.Type.Name, spec.Session)
	env.Audio = spec.Audio != ""
	part, err := guarded(spec.Type.Build, env, spec.Config)
	if err != nil {
		return at(of, "sink", spec.Node, err)
	}
	s.part, s.hooks = part, newHooks(part, spec.Type.Type)
	s.queue.breaks = &s.breaks
	if err := errors.Join(s.subscribe(spec), s.hear(spec)); err != nil {
		return at(of, "sink", spec.Node, err)
	}
	return nil
}

// guarded makes a panic of a kind's New an error.
func guarded[P any](build func(pipeline.Env, any) (P, error), env pipeline.Env, cfg any) (part P, err error) {
	defer recovered(&err)
	return build(env, cfg)
}

// env returns what a node is given.
func (g *Graph) env(of *config.Spec, name, kind, session string) pipeline.Env {
	env := pipeline.Env{
		Name: name, Log: g.log.With("node", name), Clock: g.cfg.Clock,
		Metrics: g.metrics.of(name, kind), Still: g.cfg.Still, Dir: of.Dir, Sent: g.sent,
	}
	if session != "" && g.cfg.Session != nil {
		env.Session = g.cfg.Session(session)
	}
	if slices.ContainsFunc(of.Sources, func(s config.Source) bool { return s.Type.Messages }) {
		env.LastMessage = g.lastMessage
	}
	return env
}

// connect gives every node the edges that l asks for, and closes those before.
func (g *Graph) connect(l *layout) error {
	nodes := make(map[string]*node)
	for _, e := range g.sources {
		nodes[e.name] = &e.node
	}
	for _, s := range l.stages {
		nodes[s.name] = &s.node
	}
	outputs := make(map[*node][]edge)
	for _, s := range l.stages {
		if err := g.feed(&s.node, s.spec.Load().Node, nodes, outputs); err != nil {
			return err
		}
	}
	for _, s := range l.sinks {
		if err := g.feed(&s.node, s.spec.Load().Node, nodes, outputs); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		n.reroute(outputs[n])
	}
	g.handOut(l)
	return nil
}

// feed makes an edge to n from each node that it names.
func (g *Graph) feed(n *node, spec config.Node, nodes map[string]*node, outputs map[*node][]edge) error {
	names := append([]string{spec.From}, spec.With...)
	inputs := make([]edge, len(names))
	for i, name := range names {
		if nodes[name] == nil {
			return at(g.layout.Load().spec, "node", spec, fmt.Errorf("from: there is no %q: %w", name, pipeline.ErrInvalid))
		}
		inputs[i] = make(edge, g.room)
	}
	if !n.feed(inputs) {
		return nil // its source has ended
	}
	for i, name := range names {
		outputs[nodes[name]] = append(outputs[nodes[name]], inputs[i])
	}
	return nil
}

// source returns the one with that name, or nil.
func (g *Graph) source(name string) *entrance {
	if i := slices.IndexFunc(g.sources, func(e *entrance) bool { return e.name == name }); i >= 0 {
		return g.sources[i]
	}
	return nil
}

// sourceOf returns the source whose frames a node gets.
func (g *Graph) sourceOf(l *layout, from string) *entrance {
	if e := g.source(from); e != nil {
		return e
	}
	for _, s := range l.stages {
		if s.name == from {
			return g.sourceOf(l, s.spec.Load().From)
		}
	}
	return nil
}
