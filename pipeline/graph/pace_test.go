package graph_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// carried is what a frame says of a stage's result.
type carried struct {
	Seq   uint64
	Value int
	pipeline.Origin
}

// results adds a sink that remembers what frames carry of the named stage.
func (r *rig) results(from, stage string) *seen[carried] {
	var got seen[carried]
	r.sink("results", from, func(_ context.Context, f *pipeline.Frame) error {
		c := carried{Seq: f.Seq}
		c.Value, _ = pipeline.GetFrom(f, stage, counted)
		c.Origin, _ = f.Origin(stage)
		got.add(c)
		return nil
	})
	return &got
}

func sequence(_ context.Context, f *pipeline.Frame) error {
	pipeline.Set(f, counted, int(f.Seq)+100)
	return nil
}

func TestARatedStageSeesFramesThatAreDueAndItsResultIsHeld(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 7)
	r.stage("look", "cam", sequence, func(s *config.Stage) { s.Rate = 25. / 3 })
	got := r.results("look", "look")
	st := r.run(t.Context())
	want := []carried{
		{0, 100, pipeline.Origin{Seq: 0, Fresh: true}},
		{1, 100, pipeline.Origin{Seq: 0, Age: period}},
		{2, 100, pipeline.Origin{Seq: 0, Age: 2 * period}},
		{3, 103, pipeline.Origin{Seq: 3, Fresh: true}},
		{4, 103, pipeline.Origin{Seq: 3, Age: period}},
		{5, 103, pipeline.Origin{Seq: 3, Age: 2 * period}},
		{6, 106, pipeline.Origin{Seq: 6, Fresh: true}},
	}
	if diff := cmp.Diff(want, got.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := st.Stages[0].Skipped["rate"]; n != 4 {
		t.Errorf("%d frames counted as not due", n)
	}
}

func TestAResultIsHeldUntilItsTTL(t *testing.T) {
	tests := []struct {
		name string
		rate float64
		ttl  time.Duration
		want int // frames that carry the first result; the second call fails
	}{
		{"a second by default", 25. / 12, 0, 1 + int(time.Second/period)},
		{"what is asked for", 25. / 10, 100 * period, 101},
		{"less than a period", 25. / 10, 3 * period, 4},
		{"two periods at a low rate", 25. / 40, 0, 81},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.source("cam", 150)
			r.stage("look", "cam", func(_ context.Context, f *pipeline.Frame) error {
				if f.Seq > 0 {
					return errors.New("blind")
				}
				return sequence(context.Background(), f)
			}, func(s *config.Stage) {
				s.Rate, s.TTL, s.OnError = tt.rate, tt.ttl, "pass"
			})
			got := r.results("look", "look")
			r.run(t.Context())
			held := 0
			for _, c := range got.all() {
				if c.Value != 0 {
					held++
				}
			}
			if held != tt.want {
				t.Errorf("%d frames carry the result, want %d", held, tt.want)
			}
		})
	}
}

func TestABreakEndsHeldResults(t *testing.T) {
	for _, why := range []pipeline.Reason{pipeline.Loss, pipeline.Loop} {
		t.Run(string(why), func(t *testing.T) {
			r := newRig(t, 2)
			r.source("cam", 6).adapt = func(f *pipeline.Frame) {
				if f.Seq == 2 {
					f.Discontinuity = why
				}
			}
			r.stage("look", "cam", sequence, func(s *config.Stage) { s.Rate = 25. / 5 })
			got := r.results("look", "look")
			r.run(t.Context())
			var values []int
			for _, c := range got.all() {
				values = append(values, c.Value)
			}
			want := []int{100, 100, 0, 0, 0, 105}
			if why == pipeline.Loss { // the scene is the same
				want = []int{100, 100, 100, 100, 100, 105}
			}
			if diff := cmp.Diff(want, values); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAsyncStageWorksBesideTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 50)
		var looked seen[uint64]
		r.stage("look", "cam", func(_ context.Context, f *pipeline.Frame) error {
			looked.add(f.Seq)
			time.Sleep(2*period + period*3/10) // no slot is held meanwhile
			if f.Seq > 10 {
				time.Sleep(30 * period)
			}
			return sequence(context.Background(), f)
		}, func(s *config.Stage) { s.Async = true })
		got := r.results("look", "look")
		st := r.run(t.Context())

		if n := st.Sources[0].Dropped["no_slot"]; n != 0 {
			t.Errorf("the line was held up: %d frames dropped", n)
		}
		all := got.all()
		if len(all) != 50 {
			t.Fatalf("%d frames written", len(all))
		}
		// It looks at 0, then always at the newest.
		if diff := cmp.Diff([]uint64{0, 2, 4, 6, 9, 11, 43}, looked.all()); diff != "" {
			t.Errorf("frames looked at (-want +got):\n%s", diff)
		}
		// The result of 0 comes after frame 2 and is on 3 and those that follow.
		want := []carried{
			{Seq: 0},
			{Seq: 1},
			{Seq: 2},
			{3, 100, pipeline.Origin{Seq: 0, Age: 3 * period, Fresh: true}},
			{4, 100, pipeline.Origin{Seq: 0, Age: 4 * period}},
			{5, 102, pipeline.Origin{Seq: 2, Age: 3 * period, Fresh: true}},
		}
		if diff := cmp.Diff(want, all[:6]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// That of 9 is the last for long and lives for a second.
		last := 0
		for _, c := range all {
			if c.Value == 109 {
				last = int(c.Seq)
			}
		}
		if last != 9+int(time.Second/period) {
			t.Errorf("the result of frame 9 was held up to frame %d", last)
		}
		if n := st.Stages[0].Dropped["overtaken"]; n == 0 {
			t.Error("overtaken frames are not counted")
		}
	})
}

func when(t *testing.T, source string, scope *expr.Scope) *expr.Program {
	t.Helper()
	p, err := expr.Compile(source, scope)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAFrameThatAStageIsNotForPassesUntouched(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 6)
	r.stage("draw", "cam", func(_ context.Context, f *pipeline.Frame) error { return edit(f, 99) },
		func(s *config.Stage) { s.When = when(t, "frame.seq % 2 == 1", nil) })
	var got seen[byte]
	r.sink("out", "draw", func(_ context.Context, f *pipeline.Frame) error {
		got.add(valueOf(f))
		return nil
	})
	st := r.run(t.Context())
	if diff := cmp.Diff([]byte{0, 99, 2, 99, 4, 99}, got.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := st.Stages[0].Skipped["when"]; n != 3 {
		t.Errorf("%d frames counted", n)
	}
}

func TestAConditionOnSomethingAbsentIsFalseAndCounted(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 6)
	r.stage("look", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq >= 4 {
			pipeline.Set(f, pipeline.Detections, []pipeline.Detection{})
		}
		return nil
	})
	scope := &expr.Scope{Stages: map[string][]pipeline.AnyKind{"look": {pipeline.Detections}}}
	got := r.collect("out", "look", func(s *config.Sink) { s.When = when(t, "len(look.detections) == 0", scope) })
	st := r.run(t.Context())
	if diff := cmp.Diff([]uint64{4, 5}, got.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := st.Sinks[0]; s.Skipped["absent"] != 4 || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASinkActsAtEdges(t *testing.T) {
	tests := []struct {
		name  string
		adapt func(*config.Sink)
		want  []uint64
	}{
		{"while", func(s *config.Sink) { s.Edge = pipeline.While }, []uint64{3, 4, 5, 9, 10, 11}},
		{"while at a rate", func(s *config.Sink) { s.Edge, s.Rate = pipeline.While, 12.5 }, []uint64{3, 5, 9, 11}},
		{"rise", func(s *config.Sink) { s.Edge = pipeline.Rise }, []uint64{3, 9}},
		{"fall", func(s *config.Sink) { s.Edge = pipeline.Fall }, []uint64{6}},
		{"rise, looked at at a rate", func(s *config.Sink) { s.Edge, s.Rate = pipeline.Rise, 12.5 }, []uint64{4, 10}},
		{"rise that holds", func(s *config.Sink) { s.Edge, s.Hold = pipeline.Rise, period }, []uint64{4, 10}},
		{"rise with a cooldown", func(s *config.Sink) { s.Edge, s.Cooldown = pipeline.Rise, time.Second }, []uint64{3}},
		{"change", func(s *config.Sink) { s.Edge = pipeline.OnChange }, []uint64{0, 3, 6, 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.source("cam", 12)
			got := r.collect("out", "cam", func(s *config.Sink) {
				s.When = when(t, "frame.seq % 6 >= 3", nil)
				tt.adapt(s)
			})
			r.run(t.Context())
			if diff := cmp.Diff(tt.want, got.all()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
