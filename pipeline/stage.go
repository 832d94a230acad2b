package pipeline

import (
	"context"
	"errors"
)

// Stage looks at frames, one after the other, in order. It may also implement
// [Configurer], [Reconfigurer], [Resetter], [SessionUser] and io.Closer.
type Stage interface {
	// Process works on f in place. f is lent: see [Frame]. ErrDrop ends the
	// frame silently; another error drops, counts and logs it; one that wraps
	// ErrFatal ends the run. A panic is caught and treated as an error. The
	// context ends with the run and carries the node's deadline.
	Process(ctx context.Context, f *Frame) error
}

// StageFunc makes a function a Stage.
type StageFunc func(ctx context.Context, f *Frame) error

// Process calls fn.
func (fn StageFunc) Process(ctx context.Context, f *Frame) error { return fn(ctx, f) }

// Configurer is a Stage or Sink that wants to know the format of its pictures
// before the first one and each time it changes, between two frames. An error
// is one of the frame's: the next frame is tried again.
type Configurer interface {
	Configure(in Format) error
}

// Reconfigurer is a Stage or Sink that takes other settings while frames flow. C
// is its kind's configuration, whose fields that may change so are tagged
// `live:"true"`; where another one changes, the node is built anew. A default
// may depend on other nodes: a field without a key that is tagged so changes
// with those.
type Reconfigurer[C any] interface {
	// Reconfigure takes a valid configuration that differs from the one before
	// in live fields only. It is called between two frames. An error is one of
	// the frame's that comes next.
	Reconfigure(cfg C) error
}

// Resetter is a Stage or Sink with a memory of earlier frames, told when the
// next frame does not follow the last.
type Resetter interface {
	Reset(why Reason)
}

// SessionUser is a Source, Stage or Sink that checks itself against its session
// each time that is ready: before frames flow, and after a reconnect. An error
// of the first time ends the run as a mistake in the file.
type SessionUser interface {
	SessionReady(ctx context.Context) error
}

// Errors that mean an action of the caller.
var (
	// ErrDrop is returned by a stage to end a frame.
	ErrDrop = errors.New("frame dropped")
	// ErrFatal is wrapped by a stage, sink or source to end the run.
	ErrFatal = errors.New("fatal")
	// ErrNoPixels answers who asks a message or a dropped frame for pixels.
	ErrNoPixels = errors.New("frame has no pixels")
	// ErrNotReady answers who uses a session that is not up. It may be tried
	// again later.
	ErrNotReady = errors.New("session not ready")
	// ErrInvalid marks what no retry can mend: a command that the model does
	// not have, a track that does not exist. See Invalid.
	ErrInvalid = errors.New("invalid")
)

// Invalid returns err so that it matches ErrInvalid, with the same text; nil
// for nil.
func Invalid(err error) error {
	if err == nil {
		return nil
	}
	return invalidError{err}
}

type invalidError struct{ error }

func (e invalidError) Is(target error) bool { return target == ErrInvalid }

func (e invalidError) Unwrap() error { return e.error }

// Access is how a node reads pixels.
type Access uint8

// What a node asks of a frame.
const (
	NoRead Access = iota
	Gray          // luma, full range
	BGR
	Native // whatever the decoder made, through Planar or Converter
)

// Change is how a node writes pixels.
type Change uint8

// What a node does to a frame.
const (
	NoWrite Change = iota
	Edit           // in place
	Reshape        // new pixels, of another size or place
)

// Pixels declares what a kind of node does with pixels. It serves planning:
// copy on write protects whoever declares wrongly.
type Pixels struct {
	Read  Access
	Write Change
}
