package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// trackSource is the source of a track of a session.
type trackSource struct{ *liveSource }

var _ pipeline.SessionUser = trackSource{}

// liver is the session as this package needs it: what pipeline/session makes.
type liver interface {
	Live() (*sdk.Session, error)
}

// NewTrack returns a source for a track. It receives from the first Read on,
// which needs the session to be ready, and resumes a track that is paused. That
// a required device cannot decode is ErrInvalid.
func NewTrack(env pipeline.Env, cfg TrackConfig) (pipeline.Source, error) {
	if err := cfg.check(cfg.Codecs); err != nil {
		return nil, err
	}
	return newTrackSource(env.Name, env.Log, cfg, func() (feed, error) {
		l, ok := env.Session.(liver)
		if !ok {
			return nil, pipeline.Invalid(errors.New("this session has no tracks"))
		}
		live, err := l.Live()
		if err != nil {
			return nil, err
		}
		return output(live, cfg.Track)
	}), nil
}

func newTrackSource(name string, log *slog.Logger, cfg TrackConfig, open func() (feed, error)) trackSource {
	return trackSource{newLiveSource(name, log, liveConfig{
		kind: "track", from: cfg.Track, repairs: true, Receiving: cfg.Receiving,
	}, open)}
}

// SessionReady finds the track.
func (s trackSource) SessionReady(context.Context) error {
	_, err := s.open()
	return err
}

// output finds a track that the model sends video on. A name that the model
// does not have is a mistake in the file.
func output(s *sdk.Session, name string) (feed, error) {
	t, err := s.Track(name)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	if t.Kind() != sdk.Video || t.Direction() != sdk.ReceiveOnly {
		return nil, pipeline.Invalid(fmt.Errorf("track %q: the model does not send video on it", name))
	}
	return t, nil
}
