package app

import (
	"context"
	"fmt"

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
		l.metrics.reloads.WithLabelValues(l.spec.Name, "refused").Inc()
		return graph.Changes{}, err
	}
	l.metrics.reloads.WithLabelValues(l.spec.Name, "done").Inc()
	l.sightings.of(spec)
	for _, w := range spec.Warnings {
		l.log.Warn(w)
	}
	l.log.Info("reloaded", "kept", len(did.Kept), "adjusted", did.Adjusted, "rebuilt", did.Rebuilt, "added", did.Added, "removed", did.Removed)
	return did, nil
}
