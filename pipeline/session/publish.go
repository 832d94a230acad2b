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

// Publish begins to send a track.
func (s *Session) Publish(ctx context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	track, err := s.publishable(p)
	if err != nil {
		return nil, err
	}
	publication, err := track.Publish(ctx, sdk.PublishConfig{Codec: p.Codec})
	if errors.Is(err, sdk.ErrNoCodec) {
		return nil, pipeline.Invalid(err)
	}
	if err != nil {
		return nil, unclaimed(err)
	}
	w := &writer{publication: publication, done: make(chan struct{})}
	w.wg.Go(func() { w.watch(p, s.cfg.Clock) })
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
	_, err := s.publishable(p)
	return err
}

// publishable finds a track that the model takes.
func (s *Session) publishable(p pipeline.Publish) (*sdk.Track, error) {
	live, err := s.ready()
	if err != nil {
		return nil, err
	}
	track, err := live.Track(p.Track)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	if track.Direction() != sdk.SendOnly {
		return nil, pipeline.Invalid(fmt.Errorf("track %q: the model sends it and does not take it", p.Track))
	}
	return track, nil
}

// writer is a publication that calls back.
type writer struct {
	publication *sdk.Publication
	once        sync.Once
	done        chan struct{}
	wg          sync.WaitGroup
}

// bitrateInterval is how often the estimate is looked at: the congestion
// controller's own updates are hardly faster.
const bitrateInterval = 500 * time.Millisecond

// watch passes on what the receiver asks for.
func (w *writer) watch(p pipeline.Publish, clock pipeline.Clock) {
	last := 0
	for {
		select {
		case <-w.done:
			return
		case <-w.publication.KeyframeRequests():
			if p.OnKeyframe != nil {
				p.OnKeyframe()
			}
		case <-clock.After(bitrateInterval):
			if bps := w.publication.Bitrate(); bps > 0 && bps != last && p.OnBitrate != nil {
				last = bps
				p.OnBitrate(bps)
			}
		}
	}
}

// Codec returns what must be written.
func (w *writer) Codec() string { return w.publication.Codec() }

// WriteSample sends one access unit.
func (w *writer) WriteSample(s pipeline.Sample) error {
	return translate(w.publication.WriteSample(sdk.Sample{
		Data: s.Data, PTS: s.PTS, CaptureTime: s.CaptureTime, UserData: s.UserData,
	}))
}

// Close gives the track back. It waits for a call-back that runs, so it is not
// for call-backs.
func (w *writer) Close() error {
	w.once.Do(func() { close(w.done) })
	w.wg.Wait()
	return w.publication.Close()
}
