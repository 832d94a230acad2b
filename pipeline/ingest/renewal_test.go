package ingest

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// relay is a feed that others follow.
type relay struct {
	*fakeFeed
	next chan any // a feed, or why there is none; shared by all
}

// Next implements successive.
func (r relay) Next(ctx context.Context) (feed, error) {
	select {
	case next := <-r.next:
		if f, ok := next.(*fakeFeed); ok {
			return relay{f, r.next}, nil
		}
		return nil, next.(error)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// renewals is a rig whose session is followed by others.
type renewals struct {
	*rig
	next chan any
}

func newRenewals(t *testing.T) *renewals {
	r := &renewals{newRig(t, "vp8", FreezeLoss), make(chan any, 1)}
	r.open = func() (feed, error) { return relay{r.feed, r.next}, nil }
	return r
}

// session returns another session's track, and what sends on it.
func (r *renewals) session(t *testing.T) *rig {
	s := newSender(t, "vp8")
	s.epoch, s.ssrc, s.timestamp = 1, 99, 5_000_000
	return &rig{feed: newFakeFeed(), sender: s}
}

// Beside the session before: its picture goes on until the next one has one, and
// PTS go on by the time between the two.
func TestTrackRenewalBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRenewals(t)
		r.begin(t)
		r.show()
		r.show()
		got := r.read(t)

		next := r.session(t)
		r.next <- next.feed
		next.sender.next = 1 // amid a stream: of no use before its keyframe
		next.show()
		r.show()
		got = append(got, r.read(t)...)
		next.sender.keyframe()
		next.show()
		next.show()
		got = append(got, r.read(t)...)
		r.show() // late, of the session before
		got = append(got, r.read(t)...)

		want := []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, ms(67), "", false, size},
			{3, ms(100), pipeline.Renewal, true, size},
			{4, ms(133), "", false, size},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		c := r.Counts()
		if c.Renewals != 1 || len(c.RenewalGaps) != 1 || c.RenewalGaps[0].Round(time.Millisecond) != ms(33) || c.Reconnects != 0 {
			t.Errorf("counts %+v", c)
		}
		if c.Received != 6 || c.Dropped["waiting_for_keyframe"] != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

// After the session before: what is lost is the time between.
func TestTrackRenewalAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRenewals(t)
		r.begin(t)
		r.show()
		r.show()
		got := r.read(t)
		r.feed.over <- sdk.ErrClosed
		time.Sleep(600*time.Millisecond - frameTime)
		next := r.session(t)
		r.next <- next.feed
		synctest.Wait()
		next.show()
		next.show()
		got = append(got, r.read(t)...)
		want := []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, ms(633), pipeline.Renewal, true, size},
			{3, ms(667), "", false, size},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if c := r.Counts(); len(c.RenewalGaps) != 1 || c.RenewalGaps[0].Round(time.Millisecond) != ms(600) {
			t.Errorf("counts %+v", c)
		}
		r.feed = next.feed // for who asks for keyframes

		third := r.session(t)
		r.next <- third.feed
		synctest.Wait()
		third.feed.over <- errors.New("it never came to a picture")
		r.next <- errors.New("none follows")
		next.feed.over <- sdk.ErrSessionEnded
		if _, err := r.Read(t.Context()); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
	})
}

// Where none follows, the session's own end is the source's.
func TestTrackWithoutRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRenewals(t)
		r.begin(t)
		r.show()
		r.read(t)
		r.next <- sdk.ErrClosed
		r.feed.over <- &sdk.Error{Code: sdk.CodeSessionTerminal}
		if _, err := r.Read(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
	})
}
