package session

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// life is one of the server's sessions that a Session has.
type life struct {
	*sdk.Session
	schema atomic.Pointer[sdk.Schema] // nil: commands are not checked
	since  time.Time                  // when it was asked for
	begun  chan struct{}              // closed once it is the present one
	ended  <-chan struct{}            // closed by close
	close  context.CancelFunc         // once another one is the present one, or it is over
	uploads

	holds int // who receives from it; the Session's lock guards it
}

// newLife begins to listen to what the model says. It is heard once the life is
// the present one.
func (s *Session) newLife(live *sdk.Session, since time.Time) *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{Session: live, since: since, begun: make(chan struct{}), ended: ctx.Done(), close: cancel}
	messages := live.Messages(ctx)
	s.work.Go(func() {
		select {
		case <-l.begun:
		case <-ctx.Done():
		}
		for m := range messages {
			said := pipeline.Message{Type: m.Type, Data: m.Data, At: m.At}
			if m.Type == "command_error" && !m.Tied {
				s.disown(said)
			}
			s.messages.Tell(said)
		}
		if s.cfg.Spec.Renew == nil {
			s.finish()
		}
	})
	return l
}

// install makes l the present life: commands, uploads and messages are its own
// from here on, published tracks move, and who holds the one before follows.
func (s *Session) install(l *life) {
	s.mu.Lock()
	before := s.last
	s.live, s.last, s.renewing = l, l, false
	if before != nil {
		s.renewals++
	}
	var writers []*writer
	for w := range s.writers {
		writers = append(writers, w)
	}
	s.tell()
	s.mu.Unlock()
	if before != nil {
		before.close()
	}
	close(l.begun)
	for _, w := range writers {
		s.work.Go(func() { w.move(l) })
	}
}

// take removes the present life.
func (s *Session) take(renewing bool) *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live
	s.live, s.renewing = nil, renewing
	s.tell()
	return l
}

// finish says that no life comes any more.
func (s *Session) finish() {
	s.mu.Lock()
	s.over, s.renewing = true, false
	s.tell()
	s.mu.Unlock()
	s.messages.Close()
}

// tell wakes who waits for a change. s.mu is held.
func (s *Session) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// latest returns what Open connected, or what followed it, also when that is
// closed; nil before.
func (s *Session) latest() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// present returns the life of now, nil without one.
func (s *Session) present() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// renews says that a life may still be followed by another.
func (s *Session) renews() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Spec.Renew != nil && !s.over
}

// Hold returns the server's session of now for who receives from it, or waits
// for the one that takes the place of after. One that is held is not ended in a
// planned renewal before release was called, for a while: its picture goes on
// until there is one of the next. The error is ErrNotReady where there is none
// now, and after's own where none follows it.
func (s *Session) Hold(ctx context.Context, after *sdk.Session) (held *sdk.Session, release func(), err error) {
	for {
		s.mu.Lock()
		l, over, changed := s.live, s.over, s.changed
		if l != nil && l.Session != after {
			l.holds++
			s.mu.Unlock()
			return l.Session, func() { s.release(l) }, nil
		}
		s.mu.Unlock()
		switch {
		case after == nil:
			return nil, nil, pipeline.ErrNotReady
		case over && after.Err() != nil:
			return nil, nil, after.Err()
		case over:
			return nil, nil, sdk.ErrClosed
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-changed:
		}
	}
}

func (s *Session) release(l *life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.holds--
	s.tell()
}

// handover is how long the session before goes on at most, for its picture's
// sake, once the next one is there.
const handover = 15 * time.Second

// handedOver waits until nobody holds l any more.
func (s *Session) handedOver(ctx context.Context, l *life) {
	late := s.cfg.Clock.After(handover)
	for {
		s.mu.Lock()
		holds, changed := l.holds, s.changed
		s.mu.Unlock()
		if holds == 0 {
			return
		}
		select {
		case <-changed:
		case <-l.Done():
			return
		case <-ctx.Done():
			return
		case <-late:
			s.cfg.Log.Warn("the next session shows no picture yet, the one before ends", "after", handover)
			return
		}
	}
}
