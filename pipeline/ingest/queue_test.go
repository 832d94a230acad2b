package ingest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
)

func unitAt(at time.Duration, data string, keyframe bool) unit {
	return unit{AccessUnit: decode.AccessUnit{
		Data: []byte(data), Keyframe: keyframe, Arrival: time.Unix(100, 0).Add(at),
	}}
}

func pop(t *testing.T, q *queue) string {
	t.Helper()
	u, err := q.take()
	if err != nil || u == nil {
		t.Fatalf("got %v, %v; want a unit", u, err)
	}
	s := string(u.Data)
	if u.lost {
		s = "lost " + s
	}
	q.recycle(u)
	return s
}

func TestQueueCopies(t *testing.T) {
	q := newQueue()
	u := unitAt(0, "one", true)
	q.push(u)
	copy(u.Data, "XXX")
	if got := pop(t, q); got != "one" {
		t.Errorf("got %q, want the data as it was pushed", got)
	}
	q.push(unitAt(1, "two", false))
	if got := pop(t, q); got != "two" {
		t.Errorf("got %q from a recycled unit, want two", got)
	}
}

func TestQueueGivesUpToTheNextKeyframe(t *testing.T) {
	q := newQueue()
	q.push(unitAt(0, "a", true))
	q.push(unitAt(100*time.Millisecond, "b", false))
	if n := q.push(unitAt(maxWaiting+time.Millisecond, "c", false)); n != 3 {
		t.Errorf("dropped %d, want a, b and c", n)
	}
	if n := q.push(unitAt(maxWaiting+2*time.Millisecond, "d", false)); n != 1 {
		t.Errorf("dropped %d, want d: it refers to what was dropped", n)
	}
	if n := q.push(unitAt(maxWaiting+3*time.Millisecond, "e", true)); n != 0 {
		t.Errorf("dropped %d, want the keyframe taken", n)
	}
	if got := pop(t, q); got != "lost e" {
		t.Errorf("got %q, want the keyframe, marked", got)
	}
	q.push(unitAt(maxWaiting+4*time.Millisecond, "f", false))
	if got := pop(t, q); got != "f" {
		t.Errorf("got %q, want f", got)
	}
}

func TestQueueKeyframeThatFindsTheQueueLateIsTaken(t *testing.T) {
	q := newQueue()
	q.push(unitAt(0, "a", true))
	if n := q.push(unitAt(time.Second, "k", true)); n != 1 {
		t.Errorf("dropped %d, want a alone", n)
	}
	if got := pop(t, q); got != "lost k" {
		t.Errorf("got %q, want the keyframe", got)
	}
}

func TestQueueClose(t *testing.T) {
	q := newQueue()
	q.push(unitAt(0, "a", true))
	q.close(io.EOF)
	q.close(errors.New("later"))
	if n := q.push(unitAt(0, "b", true)); n != 0 {
		t.Errorf("push after close counts %d drops", n)
	}
	if u, err := q.pop(t.Context()); err != nil || string(u.Data) != "a" {
		t.Errorf("got %v, %v; want what waited", u, err)
	}
	for range 2 {
		if _, err := q.pop(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF, each time", err)
		}
	}
}

func TestQueuePopEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newQueue().pop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestQueueKeepsARestartThatIsGivenUp(t *testing.T) {
	q := newQueue()
	u := unitAt(0, "a", true)
	u.restart = true
	q.push(u)
	q.push(unitAt(time.Second, "b", false))
	q.push(unitAt(2*time.Second, "k", true))
	if u, _ := q.take(); u == nil || !u.restart {
		t.Errorf("got %+v, want the keyframe to begin the new timeline", u)
	}
	q.push(unitAt(2*time.Second, "c", false))
	if u, _ := q.take(); u == nil || u.restart {
		t.Errorf("got %+v, want it to begin once", u)
	}
}

func TestQueueClear(t *testing.T) {
	q := newQueue()
	q.push(unitAt(0, "a", true))
	q.clear(io.ErrClosedPipe)
	if u, err := q.take(); u != nil || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, %v, want the error alone", u, err)
	}
}

// A flood within the time that video may wait is held to a number of pictures,
// and of bytes.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	dropped := 0
	for range 10 * maxUnits {
		dropped += q.push(unitAt(0, "k", true))
	}
	if len(q.units) > maxUnits || len(q.units)+dropped != 10*maxUnits {
		t.Errorf("%d wait, %d were dropped", len(q.units), dropped)
	}
	q = newQueue()
	large := string(make([]byte, 8<<20))
	for i := range 20 {
		dropped = q.push(unitAt(0, large, true))
		if want := 0; i%8 != 0 && dropped != want {
			t.Errorf("unit %d: dropped %d", i, dropped)
		}
		if q.bytes > maxBytes {
			t.Fatalf("%d bytes wait", q.bytes)
		}
	}
	for range 4 {
		pop(t, q)
	}
	if q.bytes != 0 || len(q.free) > maxFree {
		t.Errorf("%d bytes wait, %d units go round", q.bytes, len(q.free))
	}
	for _, u := range q.free {
		if cap(u.Data) > maxFreeSize {
			t.Errorf("%d bytes are kept", cap(u.Data))
		}
	}
}
