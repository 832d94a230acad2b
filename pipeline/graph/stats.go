package graph

import (
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Stats is what a graph has counted so far.
type Stats struct {
	// Sources, Stages and Sinks in the order of the file.
	Sources, Stages, Sinks []NodeStats
	// Latency is from the arrival of a frame's last packet to the end of a
	// sink's Write, over all sinks.
	Latency Quantiles
}

// NodeStats is what one node has counted. Maps have entries for what happened.
type NodeStats struct {
	Name string
	// Kind is the node's `type:`, or a source's key.
	Kind string
	// In are the frames that came to the node, Out those that it sent on or
	// wrote. A source's In are those it read, its Out those that got in.
	In, Out uint64
	Errors  uint64 // panics included
	Panics  uint64
	// Dropped are the frames given up here, by reason; Skipped those that
	// passed by untouched.
	Dropped, Skipped map[string]uint64
	// Queued frames wait in front of the node.
	Queued int
	// InFlight are the slots of a source that are taken.
	InFlight int
	// Wait is in front of the node, Process in it.
	Wait, Process Quantiles
	// Latency is that of a sink: see [Stats].
	Latency Quantiles
	// Source is what a source knows of the time before its pictures were
	// frames; nil where it does not tell.
	Source *pipeline.SourceCounts
	// Messages says that a source's frames are messages.
	Messages bool
	// Kept frames are held by the node beyond its calls.
	Kept int
	// Hanging says that a call of a stage has outlasted its deadline, or a Write
	// of a sink lasted suspiciously long, and has not returned.
	Hanging bool
	// Busy says that a call of a stage or a sink is under way, or that a sink waits
	// for the one that it replaces.
	Busy bool
}

// Stats may be called at any time.
func (g *Graph) Stats() Stats {
	st := Stats{Latency: g.latency.quantiles()}
	for _, e := range g.sources {
		n := e.stats(e.spec.Type.Name)
		n.InFlight, n.Messages = len(e.slots), e.spec.Type.Messages
		if c, ok := e.source.(pipeline.CountingSource); ok {
			counts := c.Counts()
			n.Source = &counts
		}
		st.Sources = append(st.Sources, n)
	}
	l := g.layout.Load()
	for _, s := range l.stages {
		n := s.stats(s.spec.Load().Type.Name)
		n.Queued, n.Hanging = s.queued(), s.hanging() > 0
		n.Busy = slices.ContainsFunc(s.instances, (*instance).busy)
		st.Stages = append(st.Stages, n)
	}
	for _, s := range l.sinks {
		n := s.stats(s.spec.Load().Type.Name)
		n.Queued, n.Hanging = s.queued(), s.hanging() > 0
		n.Busy = s.since.Load() != idle
		st.Sinks = append(st.Sinks, n)
	}
	return st
}

func (n *node) stats(kind string) NodeStats {
	st := NodeStats{
		Name: n.name, Kind: kind,
		In: n.counts.in.Load(), Out: n.counts.out.Load(),
		Kept: int(n.counts.kept.Load()), Errors: n.counts.errors.Load(), Panics: n.counts.panics.Load(),
		Dropped: make(map[string]uint64), Skipped: make(map[string]uint64),
		Wait: n.counts.wait.quantiles(), Process: n.counts.process.quantiles(), Latency: n.counts.latency.quantiles(),
	}
	for r := range reasons {
		if c := n.counts.dropped[r].Load(); c > 0 {
			st.Dropped[r.String()] = c
		}
	}
	for r := range skips {
		if c := n.counts.skipped[r].Load(); c > 0 {
			st.Skipped[r.String()] = c
		}
	}
	return st
}

// queued returns how many frames wait in front of the sink.
func (s *sink) queued() int { return s.node.queued() + len(s.queue.parcels) }
