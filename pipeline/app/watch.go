package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// runWatched runs the graph for as long as its sessions live. A session that its
// server has ended ends the run in order, one that is lost fails it: also where
// no source would notice.
func (l *line) runWatched(ctx context.Context, g *graph.Graph) error {
	running, stop := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup
	for _, s := range l.sessions {
		watchers.Go(func() { l.watch(running, s, g, stop) })
	}
	err := g.Run(running)
	stop(nil)
	watchers.Wait()
	var lost *lostError
	if err == nil && errors.As(context.Cause(running), &lost) {
		return lost
	}
	return err
}

// lostError is why a session is over that its server has not ended.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// watch stops the run when the session is over, and compares the nodes with the
// model anew when it is back.
func (l *line) watch(running context.Context, s namedSession, g *graph.Graph, stop context.CancelCauseFunc) {
	for e := range s.Events(running) {
		if e.Type == sdk.EventReconnected {
			l.compare(running, s, g)
		}
	}
	select {
	case <-running.Done():
	case <-s.Done():
		if err := s.Err(); !errors.Is(err, sdk.ErrSessionEnded) {
			stop(&lostError{fmt.Errorf("session %q: %w", s.name, err)})
			return
		}
		stop(nil)
	}
}

// compare lets the nodes look at the schema that the session came back with.
func (l *line) compare(ctx context.Context, s namedSession, g *graph.Graph) {
	err := s.Refresh(ctx)
	if err == nil {
		err = g.SessionReady(ctx, s.name)
	}
	if err != nil && ctx.Err() == nil {
		l.about(s.name).Error("the model is not what the pipeline was made for", "err", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drift = err
}
