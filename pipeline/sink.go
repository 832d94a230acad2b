package pipeline

import "context"

// Sink takes frames out of the graph. It may also implement [Configurer],
// [Reconfigurer], [Resetter], [SessionUser], [UnitSink] and [AudioSink].
type Sink interface {
	// Write is called with one frame after the other, in order. f is lent: see
	// [Frame]. An error is counted and logged; one that wraps ErrFatal ends
	// the run. ErrDrop means nothing here: it is an error like any other, since
	// nobody comes after a sink whom a frame could be kept from.
	Write(ctx context.Context, f *Frame) error
	// Close finishes what was begun: files, uploads, published tracks. It is
	// called once, after the last Write.
	Close() error
}

// Queue is what waits in front of a sink.
type Queue struct {
	// Depth is the most frames that wait.
	Depth int
	// OnFull says what happens to the next one.
	OnFull OnFull
}

// OnFull is what a full queue does.
type OnFull string

// The ways of a full queue.
const (
	DropOldest OnFull = "drop_oldest"
	DropNewest OnFull = "drop_newest"
	Block      OnFull = "block"
)

// Edge says at which change of its condition a sink acts.
type Edge string

// The edges.
const (
	Rise     Edge = "rise"   // it became true
	Fall     Edge = "fall"   // it became false
	OnChange Edge = "change" // its value differs from the last
	While    Edge = "while"  // on every frame that it is true for
)
