package pipeline

import (
	"context"
	"errors"
	"time"
)

// Unit is the coded data of one picture, before it is decoded.
type Unit struct {
	// Codec in lower case: "vp8", "h264".
	Codec string
	// Data is in Annex B form for H.264 and H.265 and a temporal unit of the
	// low-overhead format for AV1. It is shared: nobody writes to it.
	Data []byte
	// PTS is that of the frame which the unit becomes.
	PTS time.Duration
	// Arrival is when the unit's last packet came.
	Arrival time.Time
	// Keyframe says that decoding can begin here.
	Keyframe bool
	// Discontinuity is set on the first unit after a break.
	Discontinuity Reason
}

// UnitSource is a Source whose pictures come coded.
type UnitSource interface {
	Source
	// Relay has take called with each unit before it is decoded, from one
	// goroutine, in the order in which they are decoded. The data is lent for
	// the call. It is for the graph, which calls it once, before the first
	// Read.
	Relay(take func(Unit))
	// RequestKeyframe asks the sender for a keyframe, so often at most. Where
	// there is no sender to ask it does nothing.
	RequestKeyframe()
}

// UnitSink is a Sink of a kind that says Encoded. It stands directly behind a
// source and gets that source's units besides its frames: all of them, whatever
// becomes of the frames, unless it falls far behind.
type UnitSink interface {
	Sink
	// WriteUnit is called with one unit after the other, in order, and never
	// together with Write. ErrNeedKeyframe asks the source for a keyframe;
	// other errors are those of Write.
	WriteUnit(ctx context.Context, u Unit) error
}

// ErrNeedKeyframe is returned by a sink of units that wants a keyframe soon.
var ErrNeedKeyframe = errors.New("need a keyframe")
