package sdk

import (
	"context"
	"errors"
)

// errAsked is the cause of a loss that the caller asked for.
var errAsked = errors.New("the caller asked for a new connection")

// Reconnect makes a new connection in place of the present one and waits until
// it is ready; nothing is lost but what was under way. While the session
// reconnects by itself it only waits. The context bounds the wait, not the
// reconnecting.
func (s *Session) Reconnect(ctx context.Context) error {
	const op = "reconnect"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := s.Events(ctx)
	if c, err := s.ready(op); err == nil {
		c.lose(errAsked)
	}
	for e := range events {
		if e.Type == EventReconnected {
			return nil
		}
	}
	if ctx.Err() != nil {
		return interrupted(ctx, componentGPU, op)
	}
	return over(op, s.Err())
}
