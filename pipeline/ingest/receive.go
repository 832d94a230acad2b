package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// feed is where packets come from: a track of a session, a socket, a camera.
// Resume has them sent; where they are sent already it changes nothing. A feed
// that holds something is an io.Closer, and see describedFeed,
// pickyFeed and soundedFeed.
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

// pickyFeed is a feed that refuses some of what comes in. It is asked at any time.
type pickyFeed interface {
	// Refused is how many, by reason.
	Refused() map[string]uint64
}

// soundedFeed is a feed whose pictures come with sound; nil where they do not.
type soundedFeed interface {
	Sound() feed
}

// successive is a feed that another one may follow.
type successive interface {
	feed
	// Next waits for the feed that takes this one's place, or for the end where
	// none does. This one may go on meanwhile.
	Next(ctx context.Context) (feed, error)
}

// receive takes packets, from one feed after the other, until there is no next
// one. What it returns ends the source: io.EOF when the server ended the last
// session in an orderly way.
func (s *liveSource) receive(ctx context.Context, f feed) error {
	var before *reception
	for {
		current, running := s.newReception(ctx, f, before)
		if before == nil {
			s.playing.Store(current)
		}
		go current.run(running)
		next, err := s.successor(ctx, current)
		if err != nil {
			return errors.Join(err, current.stop())
		}
		before, f = current, next
	}
}

// successor waits for the feed that follows the present one, or for the end of
// that if none does.
func (s *liveSource) successor(ctx context.Context, r *reception) (feed, error) {
	var err error
	if f, ok := r.feed.(successive); ok {
		var next feed
		if next, err = f.Next(ctx); err == nil {
			return next, nil
		}
	}
	if ctx.Err() == nil && errors.Is(err, pipeline.ErrInvalid) {
		return nil, fmt.Errorf("after a renewal: %w", err)
	}
	<-r.done // it knows better why it is over
	return nil, r.err
}

// reception is the receiving from one feed. The next one begins beside it: with
// its first picture it takes over.
type reception struct {
	source *liveSource
	feed   feed
	before *reception // until this one has taken over; nil for the first
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing is received any more
	err    error         // why; set before that
	closed error         // of the feed

	receiver  *receiver
	keyframes pipeline.Turns // of requests
}

// newReception returns one whose packets are taken by run, with the context that
// run gets.
func (s *liveSource) newReception(ctx context.Context, f feed, before *reception) (*reception, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	return &reception{
		source: s, feed: f, before: before, cancel: cancel, done: make(chan struct{}),
		receiver: &receiver{onLoss: s.cfg.OnLoss, repairs: s.cfg.repairs, maxUnit: int(s.cfg.MaxUnit)},
	}, ctx
}

// stop ends the reception, and the one before it, and waits. It returns what
// closing the feed came to.
func (r *reception) stop() error {
	r.cancel()
	<-r.done
	return r.closed
}

// run has packets sent, and takes them until there are no more.
func (r *reception) run(ctx context.Context) {
	defer close(r.done)
	listening := r.listen(ctx)
	r.err = r.take(ctx)
	r.cancel()
	<-listening
	if r.before != nil { // it never came to a picture
		r.closed = r.before.stop()
	}
	r.closed = errors.Join(r.closed, hangUp(r.feed))
}

// take is run. Packets that lay in the feed from before are no picture of now.
func (r *reception) take(ctx context.Context) error {
	if err := r.feed.Resume(ctx); err != nil {
		return r.ending(ctx, err)
	}
	oldest := time.Now().Add(-maxWaiting)
	for {
		p, came, err := readPacket(ctx, r.feed, r.receiver)
		if err != nil {
			r.finish()
			return r.ending(ctx, err)
		}
		now := time.Now()
		switch {
		case came && p.Arrival.Before(oldest):
			r.source.tally.stale.Add(1)
			r.requestKeyframe(now)
			continue
		case came:
			r.admit(p)
		}
		r.receiver.pop(now, r.enqueue)
		if r.receiver.wantsKeyframe() {
			r.requestKeyframe(now)
		}
		r.settle()
	}
}

// finish lets go of what waits for packets that do not come any more.
func (r *reception) finish() {
	if r.before == nil {
		r.receiver.finish(r.enqueue)
		r.settle()
	}
}

// settle takes over what was counted, if it is this one's turn.
func (r *reception) settle() {
	if r.before == nil {
		r.source.tally.settle(r.receiver.counts())
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
func (r *reception) ending(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sdk.ErrSessionEnded):
		return io.EOF
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%s %q: %w", r.source.cfg.kind, r.source.cfg.from, err)
}

// hangUp closes a feed that holds something.
func hangUp(f feed) error {
	if c, ok := f.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// admit gives a packet to the receiver.
func (r *reception) admit(p sdk.Packet) {
	r.source.tally.arrived(p.Arrival)
	if r.receiver.started && p.Epoch != r.receiver.epoch {
		r.source.tally.reconnects.Add(1)
	}
	r.receiver.setRTT(r.feed.RTT())
	if err := r.receiver.push(p); err != nil {
		r.source.tally.unknown.Add(1)
		r.source.complain(p.Arrival, "packet not understood", err)
	}
}

// enqueue hands a unit to whoever decodes.
func (r *reception) enqueue(u unit) {
	s := r.source
	if r.before != nil {
		r.takeOver()
		u.renewed, u.restart = true, true
	}
	if gap := s.tally.came(u.Arrival, u.renewed); u.renewed {
		s.log.Info("the picture of the next session", "gap", gap.Round(time.Millisecond))
	}
	if d, ok := r.feed.(describedFeed); ok && u.Keyframe {
		u.Data = slices.Concat(d.ParameterSets(), u.Data)
	}
	if t, ok := r.feed.SenderTime(uint32(u.RTPTime)); ok { //nolint:gosec // the lower half is the RTP timestamp
		u.SenderTime = t
	}
	if u.restart {
		s.times.restart(u.RTPTime, u.Arrival)
	}
	u.PTS = s.times.at(u.RTPTime, u.Codec.ClockRate(), u.Arrival)
	s.clock.set(u.AccessUnit)
	if s.relay != nil {
		s.relay(u.coded())
	}
	if dropped := s.units.push(u); dropped > 0 {
		s.tally.behind.Add(uint64(dropped)) //nolint:gosec // positive
		r.requestKeyframe(time.Now())
	}
}

// takeOver ends the reception before, whose picture this one's follows.
func (r *reception) takeOver() {
	if err := r.before.stop(); err != nil {
		r.source.log.Warn("not closed in order", "err", err)
	}
	r.source.tally.handOver(r.before.receiver.counts())
	r.before = nil
	r.source.playing.Store(r)
}

// keyframeInterval is how often a keyframe is asked for at most, unless a round
// trip takes longer: an encoder needs some frames to answer, and the second
// request would cost a second keyframe.
const keyframeInterval = 500 * time.Millisecond

// requestKeyframe asks for a keyframe, if that was not done just now.
func (r *reception) requestKeyframe(now time.Time) {
	if _, ok := r.keyframes.Take(now, max(keyframeInterval, r.feed.RTT())); !ok {
		return
	}
	if err := r.feed.RequestKeyframe(); err != nil {
		r.source.log.Debug("keyframe not requested", "err", err)
		return
	}
	r.source.tally.keyframeRequests.Add(1)
}
