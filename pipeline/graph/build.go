package graph

import (
	"errors"
	"fmt"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// build makes the nodes and the edges between them.
func (g *Graph) build() error {
	var errs []error
	for _, spec := range g.cfg.Spec.Sources {
		errs = append(errs, g.buildSource(spec))
	}
	for _, spec := range g.cfg.Spec.Stages {
		errs = append(errs, g.buildStage(spec))
	}
	for _, spec := range g.cfg.Spec.Sinks {
		errs = append(errs, g.buildSink(spec))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return g.connect()
}

func (g *Graph) buildSource(spec config.Source) error {
	source, err := spec.Type.Build(g.env(spec.Name, spec.Type.Name, spec.Session), spec.Config)
	if err != nil {
		return fmt.Errorf("%s:%d: source %q: %w", g.cfg.Spec.Path, spec.Line, spec.Name, err)
	}
	g.sources = append(g.sources, newEntrance(g, spec, source))
	return nil
}

func (g *Graph) buildStage(spec config.Stage) error {
	s := newStage(g, spec)
	g.stages = append(g.stages, s)
	for range max(spec.Workers, 1) {
		part, err := spec.Type.Build(g.env(spec.Name, spec.Type.Name, spec.Session), spec.Config)
		if err != nil {
			return g.at("stage", spec.Node, err)
		}
		s.add(part)
	}
	return nil
}

func (g *Graph) buildSink(spec config.Sink) error {
	part, err := spec.Type.Build(g.env(spec.Name, spec.Type.Name, spec.Session), spec.Config)
	if err != nil {
		return g.at("sink", spec.Node, err)
	}
	g.sinks = append(g.sinks, newSink(g, spec, part))
	return nil
}

// env returns what a node is given.
func (g *Graph) env(name, kind, session string) pipeline.Env {
	env := pipeline.Env{
		Name: name, Log: g.log.With("node", name), Clock: g.cfg.Clock,
		Metrics: g.metrics.of(name, kind), Dir: g.cfg.Spec.Dir,
	}
	if session != "" && g.cfg.Session != nil {
		env.Session = g.cfg.Session(session)
	}
	if slices.ContainsFunc(g.cfg.Spec.Sources, func(s config.Source) bool { return s.Type.Messages }) {
		env.LastMessage = g.lastMessage
	}
	return env
}

// connect makes the edges and orders the stages so that each comes behind those
// it is fed by.
func (g *Graph) connect() error {
	nodes := make(map[string]*node)
	for _, e := range g.sources {
		nodes[e.name] = &e.node
	}
	for _, s := range g.stages {
		nodes[s.name] = &s.node
	}
	for _, s := range g.stages {
		if err := g.feed(&s.node, s.spec.Node, nodes); err != nil {
			return err
		}
		s.connect(g.room)
	}
	for _, s := range g.sinks {
		if err := g.feed(&s.node, s.spec.Node, nodes); err != nil {
			return err
		}
	}
	return nil
}

// feed gives n an edge from each node that it names.
func (g *Graph) feed(n *node, spec config.Node, nodes map[string]*node) error {
	for _, from := range append([]string{spec.From}, spec.With...) {
		up, ok := nodes[from]
		if !ok {
			return g.at("node", spec, fmt.Errorf("from: there is no %q: %w", from, pipeline.ErrInvalid))
		}
		e := make(edge, g.room)
		up.outputs = append(up.outputs, e)
		n.inputs = append(n.inputs, e)
	}
	return nil
}

// sourceOf returns the source whose frames a node gets.
func (g *Graph) sourceOf(from string) *entrance {
	for _, e := range g.sources {
		if e.name == from {
			return e
		}
	}
	for _, s := range g.stages {
		if s.name == from {
			return g.sourceOf(s.spec.From)
		}
	}
	return nil
}
