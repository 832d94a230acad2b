package graph

import (
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// parcel is a frame on its way from one node to the next.
type parcel struct {
	frame *pipeline.Frame
	sent  time.Duration // on the graph's clock
}

// edge carries the frames of one branch, in order, dropped ones too.
type edge chan parcel

// node is what sources, stages and sinks have in common: a place in the graph.
type node struct {
	name    string
	graph   *Graph
	inputs  []edge // of `from`, then of each `with`
	outputs []edge
	counts  counts
	faults  faults
	done    chan struct{} // closed when the node has ended and is closed
}

func newNode(g *Graph, name string) node {
	return node{
		name: name, graph: g, done: make(chan struct{}),
		faults: faults{log: g.log.With("node", name), clock: g.cfg.Clock},
	}
}

// next returns the next frame and the time. It is false at the end.
func (n *node) next() (f *pipeline.Frame, now time.Duration, ok bool) {
	p, ok := n.receive()
	if !ok {
		return nil, 0, false
	}
	now = n.graph.now()
	n.counts.wait.observe(now - p.sent)
	return p.frame, now, true
}

// receive returns the next frame: the pixels of the first input, the
// annotations of all of them. Every input carries every frame, so reading one
// of each is exact.
func (n *node) receive() (p parcel, ok bool) {
	p, ok = <-n.inputs[0]
	if !ok {
		return parcel{}, false
	}
	for _, in := range n.inputs[1:] {
		other, ok := <-in
		if !ok {
			continue
		}
		p.frame.Join(other.frame)
		n.release(other.frame)
	}
	n.counts.in.Add(1)
	return p, true
}

// send passes f on to all branches. It never blocks: see the package comment.
func (n *node) send(f *pipeline.Frame, now time.Duration) {
	if f.Dropped() == "" {
		n.counts.out.Add(1)
	}
	if len(n.outputs) == 0 {
		n.release(f)
		return
	}
	for _, out := range n.outputs[1:] {
		out <- parcel{f.Share(), now}
	}
	n.outputs[0] <- parcel{f, now}
}

// closeOutputs tells the nodes behind that nothing comes any more.
func (n *node) closeOutputs() {
	for _, out := range n.outputs {
		close(out)
	}
}

// drop takes the pixels from f, which travels on.
func (n *node) drop(f *pipeline.Frame, why reason) {
	n.counts.dropped[why].Add(1)
	if err := f.Drop(why.String()); err != nil {
		n.faults.report("pixels not released", err)
	}
}

// release ends f.
func (n *node) release(f *pipeline.Frame) {
	if err := f.Release(); err != nil {
		n.faults.report("pixels not released", err)
	}
}

// queued returns how many frames wait in front of the node.
func (n *node) queued() int {
	waiting := 0
	for _, in := range n.inputs {
		waiting = max(waiting, len(in))
	}
	return waiting
}

// keep returns a copy of f that holds no slot, and no pixels unless they are
// used.
func keep(f *pipeline.Frame, use pipeline.Pixels) *pipeline.Frame {
	if usesPixels(use) {
		return f.Keep()
	}
	return f.KeepMeta()
}

func usesPixels(p pipeline.Pixels) bool {
	return p.Read != pipeline.NoRead || p.Write != pipeline.NoWrite
}
