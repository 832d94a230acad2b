package session_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := newSession(t, local(srv.URL()))
	if s.Done() != nil || s.Err() != nil {
		t.Error("it is over before Open")
	}
	for e := range s.Events(t.Context()) {
		t.Errorf("%+v before Open", e)
	}
	if err := s.Refresh(t.Context()); !errors.Is(err, pipeline.ErrNotReady) {
		t.Errorf("refresh before Open: %v", err)
	}
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	events := s.Events(within(t))
	srv.EndSessions("that was all")
	<-s.Done()
	last := sdk.Event{}
	for last = range events {
		continue
	}
	if last.Type != sdk.EventOver || !errors.Is(s.Err(), sdk.ErrSessionEnded) {
		t.Errorf("%+v, %v", last, s.Err())
	}
}

// What is over stays over.
func TestWatchAfterClose(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	if err := s.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if !errors.Is(s.Err(), sdk.ErrClosed) {
		t.Errorf("got %v", s.Err())
	}
}

// waking is a clock whose waits end when the session is ready.
type waking struct {
	pipeline.SystemClock
	waits chan struct{} // one token for each wait
	ready chan time.Time
}

func (c waking) After(time.Duration) <-chan time.Time {
	c.waits <- struct{}{}
	return c.ready
}

// The connection is lost while the schema is asked for: the next one answers.
func TestRefreshTriesAgain(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	clock := waking{waits: make(chan struct{}, 1), ready: make(chan time.Time)}
	s := session.New(session.Config{Spec: local(srv.URL()), Log: slog.New(slog.DiscardHandler), Clock: clock})
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	events := s.Events(within(t))
	srv.Drop()
	refreshed := make(chan error, 1)
	go func() { refreshed <- s.Refresh(within(t)) }()
	for e := range events {
		if e.Type == sdk.EventReconnected {
			break
		}
	}
	<-clock.waits
	clock.ready <- time.Time{}
	if err := <-refreshed; err != nil {
		t.Error(err)
	}
}
