package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// feed is where packets come from: a track of a session, a socket, a camera.
// Resume has them sent; where they are sent already it changes nothing. A feed
// that holds something is an io.Closer, and see describedFeed.
type feed interface {
	Resume(ctx context.Context) error
	ReadRTP(ctx context.Context) (sdk.Packet, error)
	RequestKeyframe() error
	RTT() time.Duration
	SenderTime(rtpTimestamp uint32) (time.Time, bool)
}

// describedFeed is a feed whose sender may have told the parameter sets of H.264
// and H.265 elsewhere. They are put in front of each keyframe, in Annex B form.
type describedFeed interface {
	ParameterSets() []byte
}

// receive has packets sent, and takes them until there are no more. Those that
// lay in the feed from before are no picture of now. What it
// returns ends the source: io.EOF when the server ended the session in an orderly
// way.
func (s *liveSource) receive(ctx context.Context) error {
	if err := s.feed.Resume(ctx); err != nil {
		return s.ending(ctx, err)
	}
	r := &receiver{onLoss: s.cfg.OnLoss, repairs: s.cfg.repairs, maxUnit: int(s.cfg.MaxUnit)}
	oldest := time.Now().Add(-maxWaiting)
	for {
		p, came, err := readPacket(ctx, s.feed, r)
		if err != nil {
			r.finish(s.enqueue)
			s.tally.settle(r.counts())
			return s.ending(ctx, err)
		}
		now := time.Now()
		switch {
		case came && p.Arrival.Before(oldest):
			s.tally.stale.Add(1)
			s.requestKeyframe(now)
			continue
		case came:
			s.admit(p, r)
		}
		r.pop(now, s.enqueue)
		if r.wantsKeyframe() {
			s.requestKeyframe(now)
		}
		s.tally.settle(r.counts())
	}
}

// readPacket waits for a packet, but no longer than the receiver can: then none
// came, and that is no error.
func readPacket(ctx context.Context, f feed, r *receiver) (p sdk.Packet, came bool, err error) {
	deadline, waits := r.deadline()
	if !waits {
		p, err = f.ReadRTP(ctx)
		return p, err == nil, err
	}
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	p, err = f.ReadRTP(waiting)
	// The context is asked, not the error: that of a lost session may well hold
	// the time-out of its last try.
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return sdk.Packet{}, false, nil
	}
	return p, err == nil, err
}

// ending is what reading ends the source with.
func (s *liveSource) ending(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sdk.ErrSessionEnded):
		return io.EOF
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%s %q: %w", s.cfg.kind, s.cfg.from, err)
}

// hangUp closes a feed that holds something.
func (s *liveSource) hangUp() error {
	if c, ok := s.feed.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// admit gives a packet to the receiver.
func (s *liveSource) admit(p sdk.Packet, r *receiver) {
	s.tally.arrived(p.Arrival)
	if r.started && p.Epoch != r.epoch {
		s.tally.reconnects.Add(1)
	}
	r.setRTT(s.feed.RTT())
	if err := r.push(p); err != nil {
		s.complain(p.Arrival, "packet not understood", err)
	}
}

// enqueue hands a unit to whoever decodes.
func (s *liveSource) enqueue(u unit) {
	if d, ok := s.feed.(describedFeed); ok && u.Keyframe {
		u.Data = slices.Concat(d.ParameterSets(), u.Data)
	}
	if t, ok := s.feed.SenderTime(uint32(u.RTPTime)); ok { //nolint:gosec // the lower half is the RTP timestamp
		u.SenderTime = t
	}
	if u.restart {
		s.times.restart(u.RTPTime, u.Arrival)
	}
	u.PTS = s.times.at(u.RTPTime, u.Codec.ClockRate(), u.Arrival)
	if s.relay != nil {
		s.relay(u.coded())
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
func (s *liveSource) requestKeyframe(now time.Time) {
	if _, ok := s.keyframes.Take(now, max(keyframeInterval, s.feed.RTT())); !ok {
		return
	}
	if err := s.feed.RequestKeyframe(); err != nil {
		s.log.Debug("keyframe not requested", "err", err)
		return
	}
	s.tally.keyframeRequests.Add(1)
}
