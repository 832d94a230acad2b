package graph

import (
	"fmt"
	"sync"
	"sync/atomic"
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
	what    pipeline.SpanKind // a source, a stage or a sink
	name    string
	graph   *Graph
	counts  *counts
	faults  faults
	inputs  atomic.Pointer[[]edge] // of `from`, then of each `with`
	outputs []edge                 // changed only while no frame is in flight, and under mu
	named   int64                  // frames kept when that was last said; the watch's
	done    chan struct{}          // closed when the node has ended and is closed

	mu     sync.Mutex // guards what follows
	over   bool       // no frame is taken any more
	closed bool       // the outputs are
}

func newNode(g *Graph, what pipeline.SpanKind, name string) node {
	return node{
		what: what, name: name, graph: g, counts: g.countsOf(name), done: make(chan struct{}),
		faults: faults{log: g.log.With("node", name), clock: g.cfg.Clock},
	}
}

// String returns, say, `stage "blur"`.
func (n *node) String() string { return fmt.Sprintf("%s %q", n.what, n.name) }

// feed gives the node other inputs. It is false for a node that has ended. Who
// waits at one of those before goes on with these once that is closed.
func (n *node) feed(inputs []edge) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return false
	}
	n.inputs.Store(&inputs)
	return true
}

// reroute has the node send to other outputs, and closes those before. No frame
// is in flight.
func (n *node) reroute(outputs []edge) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.outputs
	n.outputs = outputs
	if n.closed {
		before = outputs
	}
	for _, out := range before {
		close(out)
	}
}

// end says that nothing comes any more from where a frame was waited for, and
// no other inputs have taken that place.
func (n *node) end(inputs *[]edge) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = n.inputs.Load() == inputs
	return n.over
}

// hasEnded says that the node takes no frames any more.
func (n *node) hasEnded() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.over
}

// next returns the next frame and the time. It is false at the end.
func (n *node) next() (f *pipeline.Frame, now time.Duration, ok bool) {
	p, ok := n.receive()
	if !ok {
		return nil, 0, false
	}
	now = n.graph.now()
	n.waited(p.frame, p.sent, now)
	return p.frame, now, true
}

// receive returns the next frame: the pixels of the first input, the
// annotations of all of them. Every input carries every frame, so reading one
// of each is exact.
func (n *node) receive() (p parcel, ok bool) {
	p, inputs, ok := n.first()
	if !ok {
		return parcel{}, false
	}
	for _, in := range inputs[1:] {
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

// first returns the next frame of the first input, and what the inputs are.
func (n *node) first() (p parcel, inputs []edge, ok bool) {
	for {
		in := n.inputs.Load()
		if p, ok := <-(*in)[0]; ok {
			return p, *in, true
		}
		if n.end(in) {
			return parcel{}, nil, false
		}
	}
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
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.closed = true
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
	if err := n.giveUp(f); err != nil {
		n.faults.report("pixels not released", err)
	}
}

// giveUp lets f become another frame, unless frames are checked.
func (n *node) giveUp(f *pipeline.Frame) error {
	if n.graph.checksFrames() {
		return f.Release()
	}
	return f.Recycle()
}

// queued returns how many frames wait in front of the node.
func (n *node) queued() int {
	waiting := 0
	for _, in := range *n.inputs.Load() {
		waiting = max(waiting, len(in))
	}
	return waiting
}

// keep returns a copy of f that holds no slot, and no pixels unless they are
// used.
func keep(f *pipeline.Frame, use pipeline.Pixels) *pipeline.Frame {
	var k *pipeline.Frame
	if usesPixels(use) {
		k = f.Keep()
	} else {
		k = f.KeepMeta()
	}
	k.Follow(f.Trace())
	return k
}

func usesPixels(p pipeline.Pixels) bool {
	return p.Read != pipeline.NoRead || p.Write != pipeline.NoWrite
}
