package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// reload makes the pipeline that of another version of its file: its sessions
// and sources, and the nodes that did not change, go on. While the pipeline
// starts it waits for that; a pipeline that has ended is a conflict. An error
// changes nothing, and is the caller's to tell.
func (l *line) reload(ctx context.Context, spec *config.Spec) (graph.Changes, error) {
	select {
	case <-l.flowing:
	case <-l.gone:
		return graph.Changes{}, conflict("pipeline %q has ended", l.spec.Name)
	case <-ctx.Done():
		return graph.Changes{}, fmt.Errorf("pipeline %q still starts: %w", l.spec.Name, ctx.Err())
	}
	did, err := l.graph.Reload(ctx, spec)
	if err != nil {
		return graph.Changes{}, err
	}
	l.sightings.of(spec)
	for _, w := range spec.Warnings {
		l.log.Warn(w)
	}
	l.log.Info("reloaded", "kept", len(did.Kept), "adjusted", did.Adjusted, "rebuilt", did.Rebuilt, "added", did.Added, "removed", did.Removed)
	return did, nil
}

// reloaded counts what came of a new version of a pipeline's file.
func (m *metrics) reloaded(pipeline string, err error) {
	result := reloadDone
	if err != nil {
		result = reloadRefused
	}
	m.reloads.WithLabelValues(pipeline, result).Inc()
}

// rereader gives pipelines what their files say, each on its own: on SIGHUP, and
// as files change where that is watched.
type rereader struct {
	supervisor *supervisor
	edits      *edits // nil: nobody watches
	wishes     map[*supervised]chan struct{}
	stop       context.CancelFunc
	running    sync.WaitGroup
}

// reread begins to. A hangup that came before counts; one of a terminal that is
// gone calls hungUp instead.
func (s *supervisor) reread(ctx context.Context, f runFlags, hangups <-chan os.Signal, screen *terminal, hungUp func()) (*rereader, error) {
	r := &rereader{supervisor: s, wishes: make(map[*supervised]chan struct{})}
	var changed <-chan string
	if f.watch {
		paths := make([]string, len(s.pipelines))
		for i, p := range s.pipelines {
			paths[i] = p.file
		}
		var err error
		if r.edits, err = watchFiles(paths); err != nil {
			return nil, err
		}
		changed = r.edits.changed
	}
	ctx, r.stop = context.WithCancel(ctx)
	for _, p := range s.pipelines {
		wish := make(chan struct{}, 1)
		r.wishes[p] = wish
		r.running.Go(func() { r.fulfil(ctx, p, wish) })
	}
	r.running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case path := <-changed:
				r.wish(func(p *supervised) bool { return p.file == path })
			case <-hangups:
				if screen.gone() {
					hungUp()
					return
				}
				r.wish(func(*supervised) bool { return true })
			}
		}
	})
	return r, nil
}

// wish has files read. One that is being read is read once more.
func (r *rereader) wish(which func(*supervised) bool) {
	for p, wish := range r.wishes {
		if !which(p) {
			continue
		}
		select {
		case wish <- struct{}{}:
		default:
		}
	}
}

func (r *rereader) fulfil(ctx context.Context, p *supervised, wish <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-wish:
			r.supervisor.takeFile(ctx, p)
		}
	}
}

// close ends it and waits, also for a pipeline that reloads.
func (r *rereader) close() error {
	r.stop()
	r.running.Wait()
	if r.edits == nil {
		return nil
	}
	return r.edits.close()
}

// takeFile makes a pipeline what its file says now, or tells every mistake in
// that.
func (s *supervisor) takeFile(ctx context.Context, p *supervised) {
	_, err := s.reload(ctx, p, nil)
	if err == nil || ctx.Err() != nil {
		return
	}
	l, _ := s.life(p)
	for mistake := range strings.SplitSeq(err.Error(), "\n") {
		l.log.Warn("not reloaded, all stays as it is", "err", mistake)
	}
}
