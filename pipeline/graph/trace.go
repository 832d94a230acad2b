package graph

import (
	"errors"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// trace begins the record of a frame that has come to the entrance.
func (e *entrance) trace(f *pipeline.Frame) {
	if e.graph.cfg.OnTrace == nil {
		return
	}
	const each = 2 // a node's wait and its call
	l := e.graph.layout.Load()
	f.Follow(pipeline.NewTrace(f.Meta, each*(1+len(l.stages)+len(l.sinks)), e.graph.cfg.OnTrace))
}

// waited notes that f was in front of the node until now.
func (n *node) waited(f *pipeline.Frame, since, now time.Duration) {
	n.counts.wait.observe(now - since)
	n.record(f, pipeline.Span{Kind: pipeline.SpanQueue}, since, now)
}

// worked notes a call of the stage on f, and what came of it.
func (s *stage) worked(f *pipeline.Frame, begun, end time.Duration, err error) {
	s.counts.process.observe(end - begun)
	if errors.Is(err, pipeline.ErrDrop) {
		err = nil
	}
	s.record(f, pipeline.Span{Kind: pipeline.SpanStage, Dropped: f.Dropped(), Err: err}, begun, end)
}

// lost notes what ended f at the node, or was wrong with it there, outside of a
// call.
func (n *node) lost(f *pipeline.Frame, why string, err error) {
	now := n.graph.now()
	n.record(f, pipeline.Span{Kind: n.what, Dropped: why, Err: err}, now, now)
}

// record adds to the record of f's way, if there is one.
func (n *node) record(f *pipeline.Frame, s pipeline.Span, begin, end time.Duration) {
	t := f.Trace()
	if t == nil {
		return
	}
	s.Name, s.Begin, s.End = n.name, n.graph.began.Add(begin), n.graph.began.Add(end)
	t.Add(s)
}
