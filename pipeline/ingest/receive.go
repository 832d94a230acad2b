package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// feed is a track whose packets can be had: an *sdk.Track outside of tests.
// Resume has them sent; where they are sent already it changes nothing.
type feed interface {
	Resume(ctx context.Context) error
	ReadRTP(ctx context.Context) (sdk.Packet, error)
	RequestKeyframe() error
	RTT() time.Duration
	SenderTime(rtpTimestamp uint32) (time.Time, bool)
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

// receive has the track sent, and takes packets until the session is over. What it returns ends the
// source: io.EOF when the server ended the session in an orderly way.
func (s *trackSource) receive(ctx context.Context) error {
	if err := s.track.Resume(ctx); err != nil {
		return s.ending(ctx, err)
	}
	r := &receiver{onLoss: s.cfg.OnLoss}
	for {
		p, came, err := s.readPacket(ctx, r)
		if err != nil {
			return s.ending(ctx, err)
		}
		if came {
			s.admit(p, r)
		}
		now := time.Now()
		r.pop(now, s.enqueue)
		if r.wantsKeyframe() {
			s.requestKeyframe(now)
		}
		s.tally.settle(r.counts())
	}
}

// readPacket waits for a packet, but no longer than the receiver can: then none
// came, and that is no error.
func (s *trackSource) readPacket(ctx context.Context, r *receiver) (p sdk.Packet, came bool, err error) {
	deadline, waits := r.deadline()
	if !waits {
		p, err = s.track.ReadRTP(ctx)
		return p, err == nil, err
	}
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	p, err = s.track.ReadRTP(waiting)
	// The context is asked, not the error: that of a lost session may well hold
	// the time-out of its last try.
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return sdk.Packet{}, false, nil
	}
	return p, err == nil, err
}

// ending is what reading ends the source with.
func (s *trackSource) ending(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sdk.ErrSessionEnded):
		return io.EOF
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("track %q: %w", s.cfg.Track, err)
}

// admit gives a packet to the receiver.
func (s *trackSource) admit(p sdk.Packet, r *receiver) {
	s.tally.arrived(p.Arrival)
	if r.started && p.Epoch != r.epoch {
		s.tally.reconnects.Add(1)
	}
	r.setRTT(s.track.RTT())
	if err := r.push(p); err != nil {
		s.complain(p.Arrival, "packet not understood", err)
	}
}

// enqueue hands a unit to whoever decodes.
func (s *trackSource) enqueue(u unit) {
	if t, ok := s.track.SenderTime(uint32(u.RTPTime)); ok { //nolint:gosec // the lower half is the RTP timestamp
		u.SenderTime = t
	}
	if dropped := s.units.push(u); dropped > 0 {
		s.tally.behind.Add(uint64(dropped)) //nolint:gosec // positive
		s.requestKeyframe(time.Now())
	}
}

// keyframeInterval is how often a keyframe is asked for at most, unless a round
// trip takes longer: an encoder needs some frames to answer, and the second
// request would cost a second keyframe.
const keyframeInterval = 500 * time.Millisecond

// requestKeyframe asks for a keyframe, if that was not done just now.
func (s *trackSource) requestKeyframe(now time.Time) {
	if _, ok := s.keyframes.Take(now, max(keyframeInterval, s.track.RTT())); !ok {
		return
	}
	if err := s.track.RequestKeyframe(); err != nil {
		s.log.Debug("keyframe not requested", "err", err)
		return
	}
	s.tally.keyframeRequests.Add(1)
}
