package graph

import (
	"bytes"
	"context"
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// soundDepth is how many packets of sound may wait for a sink: ten seconds of
// usual ones.
const soundDepth = 512

// ear is where sound waits for a sink.
type ear struct {
	packets chan pipeline.Audio
	part    pipeline.AudioSink
}

// waiting returns the channel of the packets that wait, nil without an ear.
func (e *ear) waiting() <-chan pipeline.Audio {
	if e == nil {
		return nil
	}
	return e.packets
}

// sound hands a packet to the sinks that take this source's sound.
func (e *entrance) sound(a pipeline.Audio) {
	sinks := e.sounds.Load()
	if sinks == nil || len(*sinks) == 0 {
		return
	}
	a.Data = bytes.Clone(a.Data)
	for _, s := range *sinks {
		s.overhear(a, e.source.Live())
	}
}

// overhear puts a packet where it waits for the sink. A source that is not live
// waits for room; of a live one, what finds none is lost.
func (s *sink) overhear(a pipeline.Audio, live bool) {
	if !live {
		put(s, s.ear.packets, a)
		return
	}
	select {
	case s.ear.packets <- a:
	default:
		s.counts.dropped[queueFull].Add(1)
	}
}

// audio writes a packet of sound.
func (s *sink) audio(working context.Context, a pipeline.Audio) {
	s.aside("sound not written", func() error { return s.ear.part.WriteAudio(working, a) })
}

// hear makes the sink take the sound of its source, if it is to.
func (s *sink) hear(spec *config.Sink) error {
	from := s.graph.source(spec.Audio)
	if from == nil { // what could not be built has been told
		return nil
	}
	part, ok := s.part.(pipeline.AudioSink)
	if !ok {
		return fmt.Errorf("its kind says that it takes sound, and it does not: %w", pipeline.ErrInvalid)
	}
	if _, ok := from.source.(pipeline.AudioSource); !ok {
		return fmt.Errorf("audio: %s has no sound: %w", from.name, pipeline.ErrInvalid)
	}
	s.source = from
	s.ear = &ear{packets: make(chan pipeline.Audio, soundDepth), part: part}
	return nil
}
