package pipetest

import (
	"context"
	"io"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Source yields frames that a test has made. The zero value ends at once.
type Source struct {
	// Frames are yielded in order, then io.EOF comes.
	Frames []*pipeline.Frame
	// Next, if set, is called instead; it may wait until ctx ends.
	Next func(ctx context.Context) (*pipeline.Frame, error)
	// IsLive is what Live returns.
	IsLive bool
	// Closed says that Close was called.
	Closed bool
}

var _ pipeline.Source = (*Source)(nil)

// Read returns the next frame.
func (s *Source) Read(ctx context.Context) (*pipeline.Frame, error) {
	if s.Next != nil {
		return s.Next(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(s.Frames) == 0 {
		return nil, io.EOF
	}
	f := s.Frames[0]
	s.Frames = s.Frames[1:]
	return f, nil
}

// Live returns IsLive.
func (s *Source) Live() bool { return s.IsLive }

// Close releases what was not read.
func (s *Source) Close() error {
	s.Closed = true
	for _, f := range s.Frames {
		if err := f.Release(); err != nil {
			return err
		}
	}
	s.Frames = nil
	return nil
}

// period is the time between two frames of a check.
const period = 40 * time.Millisecond

func ptsOf(seq uint64) time.Duration { return time.Duration(seq) * period }

func message(seq uint64) *pipeline.Frame {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return pipeline.NewFrame(pipeline.Meta{
		Stream: "state", Seq: seq, PTS: ptsOf(seq), Arrival: at,
		Message: &pipeline.Message{Type: "state", Data: map[string]any{"running": true}, At: at},
	}, nil)
}
