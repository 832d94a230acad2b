package ingest

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// relayed is what a test compares of a unit.
type relayed struct {
	PTS time.Duration
	Why pipeline.Reason
	Key bool
}

// takeUnits remembers the units that a source relays.
func takeUnits(t *testing.T, s pipeline.UnitSource) *[]relayed {
	t.Helper()
	var got []relayed
	s.Relay(func(u pipeline.Unit) {
		if len(u.Data) == 0 || u.Codec == "" {
			t.Errorf("got %+v", u)
		}
		got = append(got, relayed{u.PTS.Round(time.Millisecond), u.Discontinuity, u.Keyframe})
	})
	return &got
}

// A unit has the time of the frame that it becomes, over a reconnect too, and
// comes also where nobody reads.
func TestTrackRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		got := takeUnits(t, &r.trackSource)
		r.begin(t)
		r.show()
		r.show()
		frames := r.read(t)
		time.Sleep(2*time.Second - frameTime)
		r.sender.epoch++
		r.sender.restart(99)
		r.sender.keyframe()
		r.show()
		frames = append(frames, r.read(t)...)
		for range 30 { // longer than units wait for the decoder
			r.show()
		}
		synctest.Wait()
		want := make([]relayed, len(frames))
		for i, f := range frames {
			want[i] = relayed{f.PTS, f.Why, f.Key}
		}
		if diff := cmp.Diff(want, (*got)[:len(want)]); diff != "" || len(want) != 3 {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(*got); n != 33 {
			t.Errorf("%d units, want 33", n)
		}
		before := len(r.feed.asked())
		r.RequestKeyframe()
		if n := len(r.feed.asked()) - before; n > 1 {
			t.Errorf("%d keyframes were asked for", n)
		}
	})
}

func TestFileRelays(t *testing.T) {
	s := playing(t, FileConfig{File: copyOf(t, 200_000), Loop: true}).(pipeline.UnitSource)
	got := takeUnits(t, s)
	s.RequestKeyframe()
	var want []relayed
	for range 100 {
		f, err := s.Read(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, relayed{PTS: f.PTS, Key: f.Keyframe})
		if err := f.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, (*got)[:len(want)]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
