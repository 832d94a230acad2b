package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// maxAhead is how far sound may be ahead of the pictures before it does not wait
// for them any longer: they stand still.
const maxAhead = time.Second

// sound is the track of sound beside the pictures', or without any.
type sound struct {
	track string
	env   pipeline.Env
	lost  func(float64)

	writer  pipeline.SampleWriter // nil before the first packet
	waiting []pipeline.Audio
	retryAt time.Time // while the session is not ready
	sent    time.Time // when the last one was
}

// hold keeps a packet until the pictures have come as far.
func (s *sound) hold(ctx context.Context, a pipeline.Audio) error {
	s.waiting = append(s.waiting, a)
	return s.until(ctx, a.PTS-maxAhead)
}

// until sends what is heard up to pts.
func (s *sound) until(ctx context.Context, pts time.Duration) error {
	var errs []error
	n := 0
	for n < len(s.waiting) && s.waiting[n].PTS <= pts {
		errs = append(errs, s.send(ctx, s.waiting[n]))
		n++
	}
	s.waiting = append(s.waiting[:0], s.waiting[n:]...)
	return errors.Join(errs...)
}

// send sends a packet. A session that is not ready is no error: what is lost is
// counted.
func (s *sound) send(ctx context.Context, a pipeline.Audio) error {
	if a.Codec != string(decode.Opus) {
		return fmt.Errorf("track %s: sound must be opus, got %q", s.track, a.Codec)
	}
	now := s.env.Clock.Now()
	if now.Before(s.retryAt) {
		s.lost(1)
		return nil
	}
	err := s.write(ctx, a)
	if errors.Is(err, pipeline.ErrNotReady) {
		s.lost(1)
		s.retryAt = now.Add(retryEvery)
		return nil
	}
	return err
}

func (s *sound) write(ctx context.Context, a pipeline.Audio) error {
	if s.writer == nil {
		w, err := publish(ctx, s.env.Session, pipeline.Publish{Track: s.track, Codec: string(decode.Opus)})
		if err != nil {
			return err
		}
		s.writer = w
		s.env.Log.Info("publishing", "track", s.track, "codec", w.Codec())
	}
	if err := s.writer.WriteSample(pipeline.Sample{Data: a.Data, PTS: a.PTS}); err != nil {
		return fmt.Errorf("track %s: %w", s.track, err)
	}
	s.sent = s.env.Clock.Now()
	return nil
}

// Close ends the publication.
func (s *sound) Close() error {
	if s.writer == nil {
		return nil
	}
	err := s.writer.Close()
	s.writer = nil
	return err
}
