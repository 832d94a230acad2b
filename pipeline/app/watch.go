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
		if spec := l.peer(s.name); len(spec.OnStall) > 0 {
			watchers.Go(func() { l.watchPicture(running, s, spec, g) })
		}
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

// watch keeps a session, and stops the run when that is over. The nodes are
// compared with the model anew when it is back.
func (l *line) watch(running context.Context, s namedSession, g *graph.Graph, stop context.CancelCauseFunc) {
	err := s.Keep(running, func(ctx context.Context, err error) { l.compare(ctx, s, g, err) })
	switch {
	case running.Err() != nil:
	case err == nil || errors.Is(err, sdk.ErrSessionEnded):
		stop(nil)
	default:
		stop(&lostError{fmt.Errorf("session %q: %w", s.name, err)})
	}
}

// compare lets the nodes look at the schema that the session came back with; err
// says that it could not be read.
func (l *line) compare(ctx context.Context, s namedSession, g *graph.Graph, err error) {
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
