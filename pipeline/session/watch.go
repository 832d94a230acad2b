package session

import (
	"context"
	"iter"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// Done is closed when the session is over for good: ended by the server, lost
// for longer than the window, or closed. It is nil before Open.
func (s *Session) Done() <-chan struct{} {
	if last := s.last(); last != nil {
		return last.Done()
	}
	return nil
}

// Err says why the session is over, as sdk does, and is nil before that.
func (s *Session) Err() error {
	if last := s.last(); last != nil {
		return last.Err()
	}
	return nil
}

// Events yields changes of the connection, from the call on, until ctx ends or
// the session does. Before Open there are none.
func (s *Session) Events(ctx context.Context) iter.Seq[sdk.Event] {
	if last := s.last(); last != nil {
		return last.Events(ctx)
	}
	return func(func(sdk.Event) bool) {}
}

// last returns what Open connected, also when it has been closed; nil before.
func (s *Session) last() *sdk.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Refresh reads the model's schema anew: the server that a session comes back
// to may be another one. On an error the schema that is known stays.
func (s *Session) Refresh(ctx context.Context) error {
	live, err := s.ready()
	if err != nil {
		return err
	}
	schema, err := s.readSchema(ctx, live)
	if err != nil {
		return translate(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schema = schema
	return nil
}
