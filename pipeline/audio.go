package pipeline

import (
	"context"
	"time"
)

// Audio is a packet of sound, before it is decoded.
type Audio struct {
	// Codec in lower case: "opus".
	Codec string
	// Data is shared: nobody writes to it.
	Data []byte
	// PTS is when it is heard, on the clock of its source's frames. It grows
	// from packet to packet; what did not come leaves a gap.
	PTS time.Duration
	// Duration is how long it is heard.
	Duration time.Duration
	// Arrival is when it came.
	Arrival time.Time
}

// AudioSource is a Source whose pictures may come with sound.
type AudioSource interface {
	Source
	// Listen has take called with each packet, from one goroutine at a time, in
	// order, from the first picture on. The data is lent for the call. It is
	// for the graph, which calls it once, before the first Read.
	Listen(take func(Audio))
}

// AudioUser is a configuration of a source that says whether there is sound with
// its pictures, for sinks to take by `audio:`. Implement it on the pointer.
type AudioUser interface {
	HasAudio() bool
}

// AudioSink is a Sink of a kind that says Audio. Where the file has it take a
// source's sound it gets all of that besides its frames, whatever becomes of
// them, unless it falls far behind.
type AudioSink interface {
	Sink
	// WriteAudio is called with one packet after the other, in order, and never
	// together with Write. Packets are not held back for the frames: they come
	// about when they are heard, and a frame when the stages before the sink are
	// done with it. Errors are those of Write.
	WriteAudio(ctx context.Context, a Audio) error
}
