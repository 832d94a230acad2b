package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Frames are the decoded pictures of one track, one at a time, for programs
// without a pipeline.
type Frames struct {
	source trackSource
	frame  *pipeline.Frame
	err    error
}

// Open begins to receive a track of a session that is ready, and resumes one
// that is paused. A track that the
// model does not send video on is pipeline.ErrInvalid. The caller closes what it
// returns; ctx is not needed any more by then.
func Open(_ context.Context, s *sdk.Session, track string) (*Frames, error) {
	cfg := defaultTrack()
	cfg.Track = track
	source := newTrackSource(track, slog.New(slog.DiscardHandler), cfg, func() (feed, error) { return output(s, track, sdk.Video) })
	if err := source.begin(); err != nil {
		return nil, err
	}
	return &Frames{source: source}, nil
}

// Next waits for the next picture and says whether there is one. Pictures that
// nobody asks for in half a second are given up.
func (f *Frames) Next(ctx context.Context) bool {
	f.release()
	if f.err != nil {
		return false
	}
	f.frame, f.err = f.source.Read(ctx)
	return f.err == nil
}

// Frame returns the picture that Next found. It is lent until the next Next.
func (f *Frames) Frame() *pipeline.Frame { return f.frame }

// Err returns what ended Next, or nil for an orderly end by the server.
func (f *Frames) Err() error {
	if errors.Is(f.err, io.EOF) {
		return nil
	}
	return f.err
}

// Close stops receiving. The session goes on.
func (f *Frames) Close() error {
	f.release()
	return f.source.Close()
}

func (f *Frames) release() {
	if f.frame == nil {
		return
	}
	if err := f.frame.Recycle(); err != nil && f.err == nil {
		f.err = err
	}
	f.frame = nil
}
