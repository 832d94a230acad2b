package expr_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

func TestTemplate(t *testing.T) {
	tests := []struct {
		template string
		want     any
	}{
		{`a zebra crossing at dawn`, "a zebra crossing at dawn"},
		{``, ""},
		{`a crowd of {{ len(people.detections) }}`, "a crowd of 3"},
		{`{{ len(people.detections) }}`, 3},
		{`{{len(people.detections) > 2}}`, true},
		{`{{ len(people.detections) }} `, "3 "},
		{`{{ people.detections[0].score }} of {{ motion.measurements.area }}`, "0.9 of 0.25"},
		{`rec/{{date}}-{{time}}.mp4`, "rec/2026-03-04-050609.mp4"},
		{`{{ {"a": {"b": 1}} }}`, map[string]any{"a": map[string]any{"b": 1}}},
		{`{{ {"a": {"b": 1}}}}`, map[string]any{"a": map[string]any{"b": 1}}},
		{`{{ "}}" }} and {{ "{{" }}`, "}} and {{"},
		{`{{ state.data.user }}!`, `{"name":"Ada"}!`},
		{`one } and {two}`, "one } and {two}"},
		{`$ 5 # x: y`, "$ 5 # x: y"},
		{`{{ 3000000.0 * 1000 }} B`, "3000000000 B"},
		{`{{ len(faces.detections) }}`, absent{}},
		{`{{ len(people.detections) }} of {{ len(faces.detections) }}`, absent{}},
	}
	for _, tt := range tests {
		t.Run(tt.template, func(t *testing.T) {
			parsed, err := expr.ParseTemplate(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			if err := parsed.Check(scope()); err != nil {
				t.Fatal(err)
			}
			got, ok, err := parsed.Eval(input())
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == (absent{}) {
				if ok {
					t.Errorf("got %v, want it absent", got)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !ok {
				t.Errorf("ok %v, (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	tests := []struct{ template, want string }{
		{`{{ len(people.detections)`, `{{ len(people.detections): {{ has no matching }}`},
		{`{{ "unfinished }}`, `{{ "unfinished }}: {{ has no matching }}`},
		{`{{ 3 }`, `{{ 3 }: {{ has no matching }}`},
		{`{{ }}`, `{{ }} holds no expression`},
		{`{{ len(peple.detections) }} and {{ 1 + }}`, "{{ len(peple.detections) }}: unknown name \"peple\", did you mean \"people\"?\n{{ 1 + }}: it ends too early"},
		{`{{ 1 / (frame.seq - 300) }}`, `1 / (frame.seq - 300): division by zero`},
		{`{{ repeat("x", 900000) }}{{ repeat("x", 900000) }}`, `{{ repeat("x", 900000) }}{{ repeat("x", 900000) }}: the text is longer than 1 MiB`},
	}
	for _, tt := range tests {
		t.Run(tt.template, func(t *testing.T) {
			parsed, err := expr.ParseTemplate(tt.template)
			if err == nil {
				err = parsed.Check(scope())
			}
			if err == nil {
				_, _, err = parsed.Eval(input())
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestConst(t *testing.T) {
	tests := []struct {
		template string
		want     any
		constant bool
	}{
		{"zebra", "zebra", true},
		{"{{ 2 + 3 }}", 5, true},
		{"{{ 2 + 3 }} zebras", "5 zebras", true},
		{"{{ frame.seq }}", nil, false},
		{"{{ date }}", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.template, func(t *testing.T) {
			parsed, err := expr.ParseTemplate(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			if err := parsed.Check(scope()); err != nil {
				t.Fatal(err)
			}
			got, constant := parsed.Const()
			if got != tt.want || constant != tt.constant {
				t.Errorf("got %v, %v, want %v, %v", got, constant, tt.want, tt.constant)
			}
		})
	}
}

func TestValue(t *testing.T) {
	var v expr.Value
	source := `
prompt: "a crowd of {{ len(people.detections) }}"
count: "{{ len(people.detections) }}"
strength: 0.5
tags: [a, "{{ people.detections[0].label }}", 3, true, null]
nested: {deep: {deeper: "{{ state.data.user.name }}"}}
`
	if err := yaml.Unmarshal([]byte(source), &v); err != nil {
		t.Fatal(err)
	}
	if err := v.Check(scope()); err != nil {
		t.Fatal(err)
	}
	got, ok, err := v.Eval(input())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	want := map[string]any{
		"prompt": "a crowd of 3", "count": 3, "strength": 0.5,
		"tags":   []any{"a", "person", 3, true, nil},
		"nested": map[string]any{"deep": map[string]any{"deeper": "Ada"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	computed := pipeline.Computed{}
	want = map[string]any{
		"prompt": computed, "count": computed, "strength": 0.5,
		"tags":   []any{"a", computed, 3, true, nil},
		"nested": map[string]any{"deep": map[string]any{"deeper": computed}},
	}
	if diff := cmp.Diff(want, v.Consts()); diff != "" {
		t.Errorf("constants (-want +got):\n%s", diff)
	}
	if _, constant := v.Const(); constant {
		t.Error("it counts as constant")
	}
}

func TestValueErrors(t *testing.T) {
	tests := []struct {
		name string
		raw  any
		want string
	}{
		{"template", map[string]any{"a": []any{"x", "{{"}}, `a[1]: {{: {{ has no matching }}`},
		{"names", map[string]any{"a": map[string]any{"b": "{{ x }}"}, "c": []any{"{{ y }}"}}, "a.b: {{ x }}: unknown name \"x\"\nc[0]: {{ y }}: unknown name \"y\""},
		{"an upload of nothing", map[string]any{"image": map[string]any{"file": 3}}, `image.file: must be the path of a file, got 3`},
		{"an argument named file", map[string]any{"file": "{{ 1 / 0 }}"}, `file: 1 / 0: division by zero`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := expr.NewValue(tt.raw)
			if err == nil {
				err = v.Check(scope())
			}
			if err == nil {
				_, _, err = v.Eval(input())
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// FuzzTemplate holds templates, and expressions with them, to errors instead of
// panics, and to the bound of what they yield.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"plain", "{{ 1 }}", "{{", "}}", `{{ "}}" }}`, "{{ {} }}", "a {{ len(people.detections) }} b",
		`{{ people?.detections[0].label ?? "x" }}`, `{{ map(people.detections, {.box.x / .score}) }}`,
		`{{ state.data["a"].b[1:2] }}`, `{{ let x = 1; x + frame.seq }}`, `{{ $env }}`, "{{ `}}", `{{ "\` + "`" + `" }}`,
		`{{ filter(state.data.items, #.score > 3 and not (# in [1,2])) | first() }}`, `{{ frame.user_data.a.b.c }}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "..") {
			t.Skip("ranges are bounded, but take their time")
		}
		parsed, err := expr.ParseTemplate(text)
		if err != nil || parsed.Check(scope()) != nil {
			return
		}
		s, ok, err := parsed.Text(input())
		if err == nil && ok && len(s) > 1<<20 {
			t.Errorf("%d bytes", len(s))
		}
		parsed.Const()
	})
}
