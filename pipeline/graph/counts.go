package graph

import "sync/atomic"

// reason says why a node did not do its work on a frame.
type reason uint8

// The reasons for which frames are dropped.
const (
	noSlot    reason = iota // no room in the graph
	queueFull               // no room in front of a sink
	overtaken               // a newer frame came before an async stage was free
	byStage                 // the stage returned ErrDrop
	failed                  // an error
	panicked                // a panic
	tooLong                 // the call outlasted its deadline
	draining                // the run ended first
	reloading               // the entrance was held for a reload
	reasons
)

// String returns the value of the metrics' label.
func (r reason) String() string {
	return [...]string{"no_slot", "queue_full", "overtaken", "stage", "error", "panic", "deadline", "drain", "reload"}[r]
}

// skip says why a node let a frame pass by untouched.
type skip uint8

// The reasons for which frames pass by.
const (
	notDue   skip = iota // `rate`
	unwanted             // `when` was false
	absent               // `when` touched something absent
	bypassed             // an earlier call has not returned
	skips
)

// String returns the value of the metrics' label.
func (s skip) String() string { return [...]string{"rate", "when", "absent", "bypassed"}[s] }

// DropReasons are the words for why a node gives frames up.
func DropReasons() []string {
	words := make([]string, reasons)
	for r := range reasons {
		words[r] = r.String()
	}
	return words
}

// SkipReasons are the words for why frames pass a node by.
func SkipReasons() []string {
	words := make([]string, skips)
	for s := range skips {
		words[s] = s.String()
	}
	return words
}

// counts is what a node counts of itself.
type counts struct {
	in, out, errors, panics atomic.Uint64
	kept                    atomic.Int64 // frames that the node holds beyond its calls
	dropped                 [reasons]atomic.Uint64
	skipped                 [skips]atomic.Uint64
	wait                    histogram // in front of the node
	process                 histogram // in the node
	latency                 histogram // sinks: since the frame's last packet came
}

// countsOf returns the counts of a node. They go on where another one takes its
// name.
func (g *Graph) countsOf(name string) *counts {
	c, ok := g.counts[name]
	if !ok {
		c = new(counts)
		g.counts[name] = c
	}
	return c
}
