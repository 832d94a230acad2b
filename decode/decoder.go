package decode

import (
	"errors"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ErrNeedKeyframe says that nothing can be decoded up to the next keyframe.
// Whoever gets it asks the sender for one.
var ErrNeedKeyframe = errors.New("need a keyframe")

// Decoder turns access units into pictures. It is used by one goroutine at a
// time; the images that it returned may be used and closed by others, also
// after its Close.
type Decoder interface {
	// Decode takes the next unit, whose data it does not keep, and returns the
	// pictures that became ready: mostly one. The images belong to the caller,
	// the slice stays valid until the next call. An error that wraps
	// ErrNeedKeyframe leaves the decoder usable from the next keyframe on;
	// pictures may come with it.
	Decode(au *AccessUnit) ([]Picture, error)
	// Flush returns what the decoder still holds. A keyframe has to follow.
	Flush() ([]Picture, error)
	Close() error
}

// Picture is a decoded access unit.
type Picture struct {
	Image pipeline.Image
	// Unit is what the picture was decoded from, without its Data.
	Unit AccessUnit
}
