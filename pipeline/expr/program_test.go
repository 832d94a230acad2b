package expr_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// scope is that of a node behind people, faces and motion, in a pipeline with
// the message sources state and chat.
func scope() *expr.Scope {
	return &expr.Scope{
		Stages: map[string][]pipeline.AnyKind{
			"people": {pipeline.Detections, pipeline.Events},
			"faces":  {pipeline.Detections},
			"motion": {pipeline.Measurements},
			"blur":   nil,
		},
		Messages:  []string{"state", "chat"},
		Elsewhere: []string{"boxes"},
	}
}

// input has three people, of whom one is a dog, no faces, and one message.
func input() expr.Input {
	f := pipeline.NewFrame(pipeline.Meta{
		Stream: "cam", Seq: 300, PTS: 1500 * time.Millisecond, Width: 1280, Height: 720,
		UserData: []byte(`{"tag": "a"}`),
	}, nil)
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{
		{Label: "person", Score: 0.9, Box: pipeline.Box{X: 10, Width: 50}},
		{Label: "person", Score: 0.4},
		{Label: "dog", Score: 0.7, TrackID: 7},
	})
	f.Lend("motion")
	pipeline.Set(f, pipeline.Measurements, map[string]float64{"area": 0.25})
	f.Lend("")
	return expr.Input{
		Frame: f, Now: start.Add(2 * time.Second),
		LastMessage: func(source string) (pipeline.Message, bool) {
			if source != "state" {
				return pipeline.Message{}, false
			}
			return pipeline.Message{Type: "progress", At: start, Data: map[string]any{
				"frame": 12.0, "user": map[string]any{"name": "Ada"}, "nothing": nil,
				"items": []any{map[string]any{"score": 1.0}, map[string]any{"score": 5.0}, map[string]any{}},
			}}, true
		},
	}
}

// absent is what a test wants of an expression that touches what is not there.
type absent struct{}

func TestEval(t *testing.T) {
	tests := []struct {
		source string
		want   any
	}{
		{`len(people.detections)`, 3},
		{`len(people.detections) >= 3 and state.type == "progress"`, true},
		{`people["detections"][0].label`, "person"},
		{`people.detections[-1].track_id`, int64(7)},
		{`count(people.detections, .score > 0.5)`, 2},
		{`map(filter(people.detections, .label == "person"), .score)`, []any{0.9, 0.4}},
		{`max(map(people.detections, .box.width))`, 50.0},
		{`let p = people.detections; len(p) + len(p)`, 6},
		{`people.origin.seq`, 300},
		{`people.origin.fresh`, true},
		{`motion.measurements.area * 4`, 1.0},
		{`measurements.area`, 0.25},
		{`frame.seq + frame.width`, 1580},
		{`frame.pts`, 1.5},
		{`frame.user_data.tag`, "a"},
		{`state.data.frame > 10`, true},
		{`state.data.user.name + "!"`, "Ada!"},
		{`state.age`, 2.0},
		{`"frame" in state.data`, true},
		{`state.data.nothing == nil`, true},
		{`date + "-" + time`, "2026-03-04-050609"},
		{`now().Year()`, 2026},
		{`9 / 2`, 4.5},
		{`reduce(1..4, #acc + #)`, 10},

		// Absent, as a whole, wherever it is touched.
		{`len(faces.detections)`, absent{}},
		{`len(faces.detections) == 0`, absent{}},
		{`faces.origin.age`, absent{}},
		{`chat.type == "hello"`, absent{}},
		{`chat.age < 5`, absent{}},
		{`state.data.missing`, absent{}},
		{`state.data.missing.deeper`, absent{}},
		{`state.data.missing[3]`, absent{}},
		{`motion.measurements.volume > 1`, absent{}},
		{`any(people.detections, .score > state.data.limit)`, absent{}},
		{`filter(state.data.items, .score > 3)`, absent{}},
		{`map(1..2, faces.detections)`, absent{}},
		{`[1, faces.detections]`, absent{}},
		{`not (len(faces.detections) > 0)`, absent{}},
		{`faces.detections[0].label`, absent{}},
		{`people.events`, absent{}},
		{`nil`, absent{}},
		{`state.data.nothing`, absent{}},

		// Not touched.
		{`state.type == "other" and len(faces.detections) > 0`, false},
		{`len(people.detections) > 0 or len(faces.detections) > 0`, true},
		{`true ? 1 : faces.detections`, 1},
		{`any(state.data.items, .score > 0)`, true},

		// Doing without.
		{`faces?.detections`, absent{}},
		{`len(faces.detections ?? [])`, 0},
		{`len(faces?.detections ?? people.detections)`, 3},
		{`(faces.detections[0].label ?? "nobody") + "!"`, "nobody!"},
		{`state.data.missing.deeper[2] ?? 7`, 7},
		{`state.data?.missing.deeper == nil`, true},
		{`state.data?.user.name`, "Ada"},
		{`chat?.data.user == nil`, true},
		{`faces?.origin.age == nil`, true},
		{`filter(state.data.items, (.score ?? 0) > 3)`, []any{map[string]any{"score": 5.0}}},
		{`(faces.detections ?? state.data.missing) ?? 1`, 1},
		{`(people.detections[0].label ?? faces.detections)`, "person"},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			p, err := expr.Compile(tt.source, scope())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time with a used state
				got, ok, err := p.Eval(input())
				if err != nil {
					t.Fatal(err)
				}
				if tt.want == (absent{}) {
					if ok {
						t.Fatalf("got %v, want it absent", got)
					}
					continue
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || !ok {
					t.Fatalf("ok %v, (-want +got):\n%s", ok, diff)
				}
			}
		})
	}
}

func TestHeldAnnotationsArePresent(t *testing.T) {
	p, err := expr.Compile(`[len(people.detections), people.origin.seq, people.origin.age, people.origin.fresh]`, scope())
	if err != nil {
		t.Fatal(err)
	}
	later := pipeline.NewFrame(pipeline.Meta{Seq: 330, PTS: 2500 * time.Millisecond}, nil)
	later.Hold(input().Frame.Results("people"), false)
	got, ok, err := p.Eval(expr.Input{Frame: later})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff([]any{3, 300, 1.0, false}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheMessageInHand(t *testing.T) {
	s := scope()
	s.Self = "state"
	p, err := expr.Compile(`state.type + " " + chat.type`, s)
	if err != nil {
		t.Fatal(err)
	}
	in := expr.Input{
		Frame:       pipeline.NewFrame(pipeline.Meta{Message: &pipeline.Message{Type: "in hand"}}, nil),
		LastMessage: func(source string) (pipeline.Message, bool) { return pipeline.Message{Type: "last of " + source}, true },
	}
	got, _, err := p.Eval(in)
	if want := "in hand last of chat"; got != want || err != nil {
		t.Errorf("got %v, %v, want %q", got, err, want)
	}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct{ source, want string }{
		{`len(peple.detections) > 3`, `unknown name "peple", did you mean "people"?`},
		{`lenn(people.detections)`, `unknown name "lenn", did you mean "len"?`},
		{`people.detectoins`, `stage "people" has no "detectoins", did you mean "detections"?`},
		{`people.texts`, `stage "people" has no "texts"; it has detections, events, origin`},
		{`people?.texts`, `stage "people" has no "texts"; it has detections, events, origin`},
		{`blur.detections`, `stage "blur" sets no annotations`},
		{`blur`, `stage "blur" sets no annotations`},
		{`boxes.detections`, `boxes is not upstream of this node: from or with has to name it`},
		{`people`, `stage "people" cannot be used as a whole; it has detections, events, origin`},
		{`state`, `message source "state" cannot be used as a whole; it has age, data, type`},
		{`state.current_frame`, `message source "state" has no "current_frame"; it has age, data, type`},
		{`frame.with`, `frame has no "with", did you mean "width"?`},
		{`people["detec" + "tions"]`, `what is read of people must be named, as in people.field`},
		{`detections`, `detections could be faces.detections or people.detections: say which`},
		{`people.detections > 3`, `> does not go with a list and a number`},
		{`people.detections[0].lable`, `a Detection has no "lable"`},
		{`any(people.detections, .Score > 1)`, `a Detection has no "Score"`},
		{`people.detections["first"]`, `a list is read by position, got text`},
		{`motion.measurements[1]`, `a map is read by text, got a number`},
		{`not frame.seq`, `not does not go with a number`},
		{`frame.pts + "s"`, `+ does not go with a number and text`},
		{`len(`, `it ends too early`},
		{`len(people.detections) >`, `it ends too early`},
		{`len(people.detections) = 3`, `unexpected "="`},
		{``, `it ends too early`},
		{`$env`, `unknown name "$env"`},
		{`$member($env, 1, 2)`, `unknown name "$member"`},
		{`let frame = 3; frame`, `cannot redeclare frame`},
		{`let time = "x"; time`, `cannot redeclare time`},
		{`"a" matches "("`, "error parsing regexp: missing closing ): `(`"},
		{strings.Repeat("1+", 6000) + "1", `an expression has at most 10000 characters, got 12001`},
	}
	for _, tt := range tests {
		t.Run(shortName(tt.source), func(t *testing.T) {
			_, err := expr.Compile(tt.source, scope())
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestEvalErrors(t *testing.T) {
	tests := []struct{ source, want string }{
		{`people.detections[3].label`, `people.detections[3].label: position 3 is outside a list of 3`},
		{`people.detections[-4]`, `people.detections[-4]: position -4 is outside a list of 3`},
		{`1 / (frame.seq - 300)`, `1 / (frame.seq - 300): division by zero`},
		{`1 / (frame.seq - 300) > 2`, `1 / (frame.seq - 300) > 2: division by zero`},
		{`frame.seq % (frame.seq - 300)`, `frame.seq % (frame.seq - 300): division by zero`},
		{`10.0 ** frame.width`, `10.0 ** frame.width: the result is not a finite number`},
		{`float("NaN")`, `float("NaN"): the result is not a finite number`},
		{`{"a": [1, float("Inf")]}`, `{"a": [1, float("Inf")]}: the result is not a finite number`},
		{`state.data.user > 3`, `state.data.user > 3: > does not go with a map and a number`},
		{`state.data.items.first`, `state.data.items.first: a list is read by position, got text`},
		{`state.data.frame.x`, `state.data.frame.x: a number has no x`},
		{`len(state.data.frame)`, `len(state.data.frame): invalid argument for len (type a number)`},
		{`not state.data.frame`, `not state.data.frame: must be true or false, got a number`},
		{`reduce(1..60, #acc + #acc, "x" + state.type)`, `reduce(1..60, #acc + #acc, "x" + state.type): a text grows beyond 1 MiB`},
		{`len(1..(frame.width * 10000))`, `len(1..(frame.width * 10000)): memory budget exceeded`},
		{`count(1..10000, count(1..10000, true) > 0)`, `count(1..10000, count(1..10000, true) > 0): memory budget exceeded`},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			p, err := expr.Compile(tt.source, scope())
			if err != nil {
				t.Fatal(err)
			}
			if _, ok, err := p.Eval(input()); ok || err == nil || err.Error() != tt.want {
				t.Errorf("ok %v, got  %v\nwant %s", ok, err, tt.want)
			}
		})
	}
}

func TestTruth(t *testing.T) {
	for _, v := range []any{true, 1, -0.5, int64(2), "x", []int{0}, map[string]any{"a": 1}} {
		if !expr.Truth(v) {
			t.Errorf("%#v is not true", v)
		}
	}
	for _, v := range []any{nil, false, 0, 0.0, int64(0), "", []int{}, map[string]any{}} {
		if expr.Truth(v) {
			t.Errorf("%#v is true", v)
		}
	}
}

func TestProgramsAreSafeForConcurrentUse(t *testing.T) {
	p, err := expr.Compile(`count(people.detections, .score > 0.5) + frame.seq`, scope())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan any)
	for range 4 {
		go func() {
			in := input()
			var v any
			for range 200 {
				v, _, _ = p.Eval(in)
			}
			done <- v
		}()
	}
	for range 4 {
		if v := <-done; v != 302 {
			t.Errorf("got %v, want 302", v)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	for _, source := range []string{
		`len(people.detections) >= 4`,
		`count(people.detections, .score > 0.5) >= 2`,
		`len(faces.detections) > 0`,
		`state.data.frame > 10`,
	} {
		b.Run(source, func(b *testing.B) {
			p, err := expr.Compile(source, scope())
			if err != nil {
				b.Fatal(err)
			}
			in := input()
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.Eval(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func shortName(s string) string { return s[:min(len(s), 60)] }
