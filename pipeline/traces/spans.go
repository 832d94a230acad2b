package traces

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ended is a trace that is over, of one pipeline.
type ended struct {
	pipeline string
	meta     pipeline.Meta // without a stream for a command that no frame caused
	spans    []pipeline.Span
}

// matters says that somebody will look for the trace: the frame was dropped or
// something went wrong with it, or it caused a command.
func (e ended) matters() bool {
	for _, s := range e.spans {
		if s.Err != nil || s.Dropped != "" || s.Command != nil && reached(s.Command.Outcome) {
			return true
		}
	}
	return false
}

// reached says that a command was meant to reach the model. What a newer one
// replaced, or was left out on purpose, comes with every frame of some pipelines.
func reached(o pipeline.Outcome) bool {
	switch o {
	case pipeline.CommandSuperseded, pipeline.CommandDeduped, pipeline.CommandDryRun:
		return false
	}
	return true
}

// write makes spans of a trace: one for the frame, and below it one for each
// part of its way.
func (e ended) write(t trace.Tracer) {
	ctx := context.Background()
	if e.meta.Stream == "" {
		for _, s := range e.spans {
			e.part(ctx, t, s)
		}
		return
	}
	begin, end := e.extent()
	ctx, root := t.Start(ctx, e.name(), trace.WithTimestamp(begin), trace.WithAttributes(e.frame()...))
	for _, s := range e.spans {
		e.part(ctx, t, s)
		if s.Dropped != "" {
			root.SetAttributes(attribute.String("dropped", s.Dropped))
		}
		if s.Err != nil {
			root.SetStatus(codes.Error, s.Name+": "+s.Err.Error())
		}
	}
	root.End(trace.WithTimestamp(end))
}

func (e ended) extent() (begin, end time.Time) {
	for i, s := range e.spans {
		if i == 0 || s.Begin.Before(begin) {
			begin = s.Begin
		}
		if s.End.After(end) {
			end = s.End
		}
	}
	return begin, end
}

func (e ended) name() string {
	if e.meta.Message != nil {
		return "message " + e.meta.Stream
	}
	return "frame " + e.meta.Stream
}

// frame returns what there is to say of the frame, under the names of its JSON.
func (e ended) frame() []attribute.KeyValue {
	m := e.meta
	attrs := []attribute.KeyValue{
		attribute.String("pipeline", e.pipeline), attribute.String("stream", m.Stream),
		attribute.Int64("seq", int64(m.Seq)), //nolint:gosec // a frame a nanosecond would take centuries
		attribute.Float64("pts_ms", milliseconds(m.PTS)),
	}
	if m.Width > 0 {
		attrs = append(attrs, attribute.Int("width", m.Width), attribute.Int("height", m.Height))
	}
	if m.FrameID > 0 {
		attrs = append(attrs, attribute.Int64("frame_id", int64(m.FrameID))) //nolint:gosec // of the sender, counted
	}
	if m.Message != nil {
		attrs = append(attrs, attribute.String("type", m.Message.Type))
	}
	return attrs
}

func (e ended) part(ctx context.Context, t trace.Tracer, s pipeline.Span) {
	kind, attrs := trace.SpanKindInternal, []attribute.KeyValue{attribute.String("node", s.Name)}
	if s.Command != nil {
		kind, attrs = trace.SpanKindClient, e.command(s.Command)
	}
	if s.Dropped != "" {
		attrs = append(attrs, attribute.String("dropped", s.Dropped))
	}
	_, span := t.Start(ctx, string(s.Kind)+" "+s.Name, trace.WithTimestamp(s.Begin), trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	if err := s.Err; err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	if c := s.Command; c != nil && wentWrong(c.Outcome) {
		span.SetStatus(codes.Error, c.Reason)
	}
	span.End(trace.WithTimestamp(s.End))
}

// command returns what there is to say of a command, under the names of the
// ledger. What it said is in the ledger alone.
func (e ended) command(r *pipeline.CommandRecord) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attribute.String("pipeline", e.pipeline), attribute.String("command", r.Command),
		attribute.String("outcome", string(r.Outcome)),
	}
	for name, value := range map[string]string{"reason": r.Reason, "node": r.Cause.Node, "stream": r.Cause.Stream, "reply": r.Reply.Type} {
		if value != "" {
			attrs = append(attrs, attribute.String(name, value))
		}
	}
	if r.Cause.Stream != "" {
		attrs = append(attrs, attribute.Int64("seq", int64(r.Cause.Seq))) //nolint:gosec // as above
	}
	if r.RoundTrip > 0 {
		attrs = append(attrs, attribute.Float64("round_trip_ms", milliseconds(r.RoundTrip)))
	}
	return attrs
}

func wentWrong(o pipeline.Outcome) bool {
	return o == pipeline.CommandRefused || o == pipeline.CommandFailed || o == pipeline.CommandExpired
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
