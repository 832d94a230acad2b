package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// trackSource is the source of a track of a session.
type trackSource struct{ *liveSource }

var _ pipeline.SessionUser = trackSource{}

// holder is the session as this package needs it: what pipeline/session makes.
// Hold says which of the server's sessions is the present one, or waits for the
// one that takes the place of after. One that is held is not ended before its
// time.
type holder interface {
	Hold(ctx context.Context, after *sdk.Session) (held *sdk.Session, release func(), err error)
}

// NewTrack returns a source for a track. It receives from the first Read on,
// which needs the session to be ready, and resumes a track that is paused. That
// a required device cannot decode is ErrInvalid.
func NewTrack(env pipeline.Env, cfg TrackConfig) (pipeline.Source, error) {
	if err := cfg.check(cfg.Codecs); err != nil {
		return nil, err
	}
	return newTrackSource(env.Name, env.Log, cfg, func() (feed, error) {
		h, ok := env.Session.(holder)
		if !ok {
			return nil, pipeline.Invalid(errors.New("this session has no tracks"))
		}
		return hold(context.Background(), h, nil, tracks{cfg.Track, cfg.Audio})
	}), nil
}

func newTrackSource(name string, log *slog.Logger, cfg TrackConfig, open func() (feed, error)) trackSource {
	return trackSource{newLiveSource(name, log, liveConfig{
		kind: "track", from: cfg.Track, repairs: true, Receiving: cfg.Receiving,
	}, open)}
}

// SessionReady finds the track.
func (s trackSource) SessionReady(context.Context) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	return hangUp(f)
}

// tracks are the names of what is received together; audio may be "".
type tracks struct{ video, audio string }

// heldTrack is a track of a session that is held, with the sound beside it.
type heldTrack struct {
	feed
	sound   feed // nil for none
	holder  holder
	session *sdk.Session
	names   tracks
	release func()
}

var (
	_ successive  = (*heldTrack)(nil)
	_ soundedFeed = (*heldTrack)(nil)
)

// hold finds the tracks in the session that follows after, or the present one.
func hold(ctx context.Context, h holder, after *sdk.Session, names tracks) (feed, error) {
	held, release, err := h.Hold(ctx, after)
	if err != nil {
		return nil, err
	}
	t := &heldTrack{holder: h, session: held, names: names, release: sync.OnceFunc(release)}
	if t.feed, err = output(held, names.video, sdk.Video); err == nil && names.audio != "" {
		t.sound, err = output(held, names.audio, sdk.Audio)
	}
	if err != nil {
		release()
		return nil, err
	}
	return t, nil
}

// Sound is the track of sound beside the picture's.
func (t *heldTrack) Sound() feed { return t.sound }

// Next waits for the tracks in the session that takes the place of this one's.
func (t *heldTrack) Next(ctx context.Context) (feed, error) {
	return hold(ctx, t.holder, t.session, t.names)
}

// Close ends the hold on the session.
func (t *heldTrack) Close() error {
	t.release()
	return nil
}

// output finds a track that the model sends video, or audio, on. A name that the
// model does not have is a mistake in the file.
func output(s *sdk.Session, name, kind string) (feed, error) {
	t, err := s.Track(name)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	if t.Kind() != kind || t.Direction() != sdk.ReceiveOnly {
		return nil, pipeline.Invalid(fmt.Errorf("track %q: the model does not send %s on it", name, kind))
	}
	return t, nil
}
