// Package discard is the sink that throws everything away: for pipelines that
// are run for their stages, and for measurements.
package discard

import (
	"context"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Config has no settings.
type Config struct{}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{Name: "discard", New: New})
}

// Sink throws frames away.
type Sink struct{}

var _ pipeline.Sink = Sink{}

// New returns a sink.
func New(pipeline.Env, Config) (pipeline.Sink, error) { return Sink{}, nil }

// Write does nothing.
func (Sink) Write(context.Context, *pipeline.Frame) error { return nil }

// Close does nothing.
func (Sink) Close() error { return nil }
