package pipeline

import (
	"context"
	"time"
)

// Source yields the frames that a graph begins with.
type Source interface {
	// Read waits for the next frame, which belongs to the caller. io.EOF is
	// an orderly end; any other error ends the run. Seq and PTS never go back.
	Read(ctx context.Context) (*Frame, error)
	// Live says that frames come whether or not they are read: what finds no
	// room in the graph is dropped. A source that is not live waits.
	Live() bool
	Close() error
}

// SourceCounts is what happened to a source's pictures before they were frames.
type SourceCounts struct {
	// Received are the access units (or messages) that came.
	Received uint64
	// Decoded are the pictures that the decoder made.
	Decoded uint64
	// Dropped are those that were given up, by reason.
	Dropped map[string]uint64
	// Keyframe requests and reconnects that the source lived through.
	KeyframeRequests, Reconnects uint64
	// Renewals is how often another session took the place of the one before,
	// RenewalGaps for how long nothing came then, the last of them.
	Renewals    uint64
	RenewalGaps []time.Duration
	// LastArrival is when the last packet came; zero before the first.
	LastArrival time.Time
}

// CountingSource is a Source that knows its counts. It is safe to ask while
// Read waits.
type CountingSource interface {
	Counts() SourceCounts
}
