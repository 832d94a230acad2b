package pipeline

import "context"

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
