package graph

import (
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func (g *Graph) checksFrames() bool { return g.cfg.CheckFrames || checkFrames }

// guard has f's pixels guarded where frames are checked.
func (g *Graph) guard(f *pipeline.Frame) {
	if g.checksFrames() {
		f.Guard()
	}
}

// lend notes that the node has f, and takeBack that it has it no more. Who wrote
// to pixels that are not its own ends the run.
func (n *node) lend(f *pipeline.Frame) {
	if n.graph.checksFrames() {
		n.accuse(f.Watch(n.String()))
	}
}

func (n *node) takeBack(f *pipeline.Frame) {
	if n.graph.checksFrames() {
		n.accuse(f.Verify())
	}
}

func (n *node) accuse(err error) {
	if err != nil {
		n.graph.fail(err)
	}
}

// leaked returns an error if a node that is closed still has frames.
func (n *node) leaked() error {
	kept := n.counts.kept.Load()
	if kept == 0 || !n.graph.checksFrames() {
		return nil
	}
	return fmt.Errorf("%s kept frames and did not release them: %d", n, kept)
}
