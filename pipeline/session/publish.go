package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Publish begins to send a track. It goes on over reconnects and renewals.
func (s *Session) Publish(ctx context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	l, err := s.ready()
	if err != nil {
		return nil, err
	}
	publication, err := l.publish(ctx, p)
	if errors.Is(err, sdk.ErrNoCodec) {
		return nil, pipeline.Invalid(err)
	}
	if err != nil {
		return nil, unclaimed(err)
	}
	w := &writer{session: s, wanted: p, live: publication, moved: make(chan struct{}), done: make(chan struct{})}
	w.wanted.Codec = publication.Codec()
	s.mu.Lock()
	s.writers[w] = struct{}{}
	late := s.live != l && s.live != nil
	now := s.live
	s.mu.Unlock()
	if late {
		s.work.Go(func() { w.move(now) })
	}
	w.wg.Go(w.watch)
	return w, nil
}

// unclaimed is translate for a track: where the connection is lost the claim is
// lost with it, heard or not, and may be made again. A session that is over was
// lost too, but has a code of its own.
func unclaimed(err error) error {
	var e *sdk.Error
	if errors.As(err, &e) && e.Code == sdk.CodeDisconnected {
		return fmt.Errorf("%w: %w", pipeline.ErrNotReady, err)
	}
	return translate(err)
}

// CheckPublish says whether the model takes a track, before any picture is
// there: pipeline.ErrInvalid where it does not.
func (s *Session) CheckPublish(p pipeline.Publish) error {
	l, err := s.ready()
	if err != nil {
		return err
	}
	_, err = l.publishable(p)
	return err
}

// publishable finds a track that the model takes.
func (l *life) publishable(p pipeline.Publish) (*sdk.Track, error) {
	track, err := l.Track(p.Track)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	if track.Direction() != sdk.SendOnly {
		return nil, pipeline.Invalid(fmt.Errorf("track %q: the model sends it and does not take it", p.Track))
	}
	return track, nil
}

func (l *life) publish(ctx context.Context, p pipeline.Publish) (*sdk.Publication, error) {
	track, err := l.publishable(p)
	if err != nil {
		return nil, err
	}
	return track.Publish(ctx, sdk.PublishConfig{Codec: p.Codec})
}

// writer is a publication that calls back, and moves from one life to the next.
type writer struct {
	session *Session
	wanted  pipeline.Publish // with the codec of the first answer
	moved   chan struct{}    // takes a token once live is another
	once    sync.Once
	done    chan struct{}
	wg      sync.WaitGroup
	err     error // of closing

	mu     sync.Mutex // guards what follows
	live   *sdk.Publication
	closed bool
}

// bitrateInterval is how often the estimate is looked at: the congestion
// controller's own updates are hardly faster.
const bitrateInterval = 500 * time.Millisecond

// watch passes on what the receiver asks for.
func (w *writer) watch() {
	p, last := w.wanted, 0
	for {
		live := w.publication()
		select {
		case <-w.done:
			return
		case <-w.moved:
		case <-live.KeyframeRequests():
			if p.OnKeyframe != nil {
				p.OnKeyframe()
			}
		case <-w.session.cfg.Clock.After(bitrateInterval):
			if bps := live.Bitrate(); bps > 0 && bps != last && p.OnBitrate != nil {
				last = bps
				p.OnBitrate(bps)
			}
		}
	}
}

func (w *writer) publication() *sdk.Publication {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live
}

// move publishes the track in another life, for as long as that is the present
// one. Until it is done, samples go where they went.
func (w *writer) move(l *life) {
	ctx, cancel := until(l.ended, w.done)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		next, err := l.publish(ctx, w.wanted)
		switch {
		case err == nil:
			w.replace(next)
			return
		case ctx.Err() != nil || l.Err() != nil:
			return
		case errors.Is(err, sdk.ErrNoCodec) || errors.Is(err, pipeline.ErrInvalid):
			w.session.cfg.Log.Error("track not published in the next session", "track", w.wanted.Track, "err", err)
			return
		}
		w.session.cfg.Log.Debug("track not published yet", "track", w.wanted.Track, "err", err)
		if w.session.pause(ctx, jitter(pause)) != nil {
			return
		}
	}
}

// until returns a context that ends with either of two channels. The caller
// cancels it.
func until(a, b <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-a:
		case <-b:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

// replace has samples go to next from here on, beginning with a keyframe.
func (w *writer) replace(next *sdk.Publication) {
	w.mu.Lock()
	before, closed := w.live, w.closed
	if !closed {
		w.live = next
	}
	w.mu.Unlock()
	if closed {
		before = next
	}
	if err := before.Close(); err != nil {
		w.session.cfg.Log.Debug("track not given back", "track", w.wanted.Track, "err", err)
	}
	if closed {
		return
	}
	select {
	case w.moved <- struct{}{}:
	case <-w.done:
	}
	w.session.cfg.Log.Info("track published in the next session", "track", w.wanted.Track)
	if w.wanted.OnKeyframe != nil {
		w.wanted.OnKeyframe()
	}
}

// Codec returns what must be written.
func (w *writer) Codec() string { return w.wanted.Codec }

// WriteSample sends one access unit.
func (w *writer) WriteSample(s pipeline.Sample) error {
	err := w.publication().WriteSample(sdk.Sample{
		Data: s.Data, PTS: s.PTS, CaptureTime: s.CaptureTime, UserData: s.UserData,
	})
	if err != nil && w.session.renews() && !w.isClosed() {
		return fmt.Errorf("%w: %w", pipeline.ErrNotReady, err) // another session takes it
	}
	return translate(err)
}

func (w *writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// Close gives the track back. It waits for a call-back that runs, so it is not
// for call-backs.
func (w *writer) Close() error {
	w.once.Do(func() {
		close(w.done)
		w.wg.Wait()
		w.session.mu.Lock()
		delete(w.session.writers, w)
		w.session.mu.Unlock()
		w.mu.Lock()
		w.closed = true
		live := w.live
		w.mu.Unlock()
		w.err = live.Close()
	})
	return w.err
}
