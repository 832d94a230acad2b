package pipeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestTraceBeginsWithWhatWasBeforeTheGraph(t *testing.T) {
	const ms = time.Millisecond
	span := func(kind pipeline.SpanKind, from, to time.Duration) pipeline.Span {
		return pipeline.Span{Kind: kind, Name: "cam", Begin: noon.Add(from), End: noon.Add(to)}
	}
	tests := []struct {
		name                         string
		receiving, waiting, decoding time.Duration
		want                         []pipeline.Span
	}{
		{"packets", 4 * ms, 2 * ms, 3 * ms, []pipeline.Span{
			span(pipeline.SpanReceive, -4*ms, 0), span(pipeline.SpanQueue, 0, 2*ms), span(pipeline.SpanDecode, 2*ms, 5*ms),
		}},
		{"decoded before it was due", 0, -20 * ms, 3 * ms, []pipeline.Span{span(pipeline.SpanDecode, -20*ms, -17*ms)}},
		{"a message", 0, 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trace := pipeline.NewTrace(pipeline.Meta{
				Stream: "cam", Arrival: noon, Receiving: tt.receiving, Waiting: tt.waiting, Decoding: tt.decoding,
			}, 1, nil)
			if diff := cmp.Diff(tt.want, trace.Spans(), cmp.Transformer("empty", func(s []pipeline.Span) []pipeline.Span { return append([]pipeline.Span{}, s...) })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTraceIsOverWhenNothingFollowsIt(t *testing.T) {
	ends := 0
	trace := pipeline.NewTrace(pipeline.Meta{Stream: "cam"}, 1, func(*pipeline.Trace) { ends++ })
	f := pipeline.NewFrame(trace.Meta, nil)
	f.Follow(trace)
	share, kept, standIn := f.Share(), f.Keep(), new(pipeline.Frame)
	cause := pipeline.Cause{Trace: f.Trace()}.Held()
	f.StandIn(standIn) // goes on in f's place
	for _, g := range []*pipeline.Frame{share, standIn} {
		if err := g.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if ends != 0 || !trace.Add(pipeline.Span{Name: "set_prompt"}) {
		t.Error("over while a decision waits")
	}
	cause.Trace.Release()
	if ends != 1 || trace.Add(pipeline.Span{}) || trace.Hold() || len(trace.Spans()) != 1 {
		t.Errorf("ended %d times, with %v", ends, trace.Spans())
	}
	if late := (pipeline.Cause{Trace: trace}).Held(); late.Trace != nil {
		t.Error("a trace that is over is held")
	}
	if err := kept.Release(); err != nil || ends != 1 {
		t.Errorf("%v, ended %d times", err, ends)
	}
}

func TestNoTrace(t *testing.T) {
	f := pipeline.NewFrame(pipeline.Meta{}, nil)
	f.Follow(nil)
	if trace := f.Trace(); trace != nil || trace.Hold() || trace.Add(pipeline.Span{}) || trace.Spans() != nil {
		t.Error("a trace where there is none")
	}
	f.Trace().Release()
}
