package overlay_test

import (
	"image"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/overlay"
)

// scope is that of a node with two stages upstream.
var scope = &expr.Scope{
	Stages: map[string][]pipeline.AnyKind{
		"people": {pipeline.Detections},
		"signs":  {pipeline.Texts},
		"light":  {pipeline.Measurements},
	},
	Messages: []string{"state"},
}

func kind(config string) pipetest.Case {
	return pipetest.Case{
		Register: overlay.Register, Kind: "overlay", Config: config, Live: mat.Live,
		Check: func(cfg any) error { return cfg.(expr.Checker).Check(scope) },
	}
}

func TestContract(t *testing.T) {
	c := kind("")
	c.Check = nil // draws what is nearest
	c.Annotate = func(f *pipeline.Frame) {
		pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{
			Label: "person", Score: 0.9, TrackID: 4, Box: pipeline.Box{X: 1, Y: 1, Width: 20, Height: 30},
		}})
	}
	pipetest.Stage(t, c)
}

func TestOverlay(t *testing.T) {
	const green, blue, red = 0x00ff00, 0x0000ff, 0xff0000
	colors := `, colors: {person: "#00ff00", dog: "#0000ff", text: "#ff0000"}}`
	edge, sign, dog := image.Pt(150, 200), image.Pt(30, 300), image.Pt(400, 300)
	tests := []struct {
		name   string
		config string
		want   map[image.Point]int // what is drawn where
	}{
		{"boxes of all stages", "{labels: none" + colors, map[image.Point]int{edge: green, dog: blue, sign: red}},
		{"boxes of one stage", "{stages: [people], labels: none" + colors, map[image.Point]int{edge: green, dog: blue}},
		{"a label above", "{labels: name, stages: [people]" + colors, map[image.Point]int{edge: green, dog: blue, image.Pt(152, 96): green}},
		{"wide lines", "{labels: none, line_width: 5, stages: [people]" + colors, map[image.Point]int{edge: green, dog: blue, image.Pt(152, 200): green}},
		{"a caption", `{stages: [signs], labels: none, caption: "{{ len(people.detections) }}"` + colors, map[image.Point]int{sign: red, image.Pt(1, 1): 0}},
		{"a caption below", `{stages: [signs], labels: none, caption: x, caption_at: bottom` + colors, map[image.Point]int{sign: red, image.Pt(1, 478): 0}},
		{"an absent caption", `{stages: [signs], labels: none, caption: "{{ state.data.mood }}"` + colors, map[image.Point]int{sign: red}},
	}
	places := []image.Point{edge, sign, dog, {152, 96}, {152, 200}, {1, 1}, {1, 478}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := street(t)
			defer f.Release()
			before := colorsAt(t, f, places)
			if err := pipetest.NewStage(t, kind(tt.config)).Process(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			for _, p := range places {
				if _, drawn := tt.want[p]; !drawn {
					tt.want[p] = before[p]
				}
			}
			if diff := cmp.Diff(tt.want, colorsAt(t, f, places)); diff != "" {
				t.Errorf("colours (-want +got):\n%s", diff)
			}
		})
	}
}

// What other branches show stays as it is, and without anything to draw no
// picture is converted.
func TestNothingToDraw(t *testing.T) {
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 64, Height: 48})
	defer f.Release()
	before := f.Image()
	if err := pipetest.NewStage(t, kind("")).Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if f.Image() != before {
		t.Error("the picture was replaced")
	}
}

func TestBoxesFarOutside(t *testing.T) {
	f := street(t)
	defer f.Release()
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{
		{Label: "person", Box: pipeline.Box{X: -1e12, Y: -1e12, Width: 2e12, Height: 2e12}},
		{Label: "person", Box: pipeline.Box{X: 1e300, Y: 5, Width: 1, Height: 1}},
	})
	if err := pipetest.NewStage(t, kind("")).Process(t.Context(), f); err != nil {
		t.Error(err)
	}
}

// A label at the right edge moves to the left until it can be read.
func TestLabelsStayInThePicture(t *testing.T) {
	f := street(t)
	defer f.Release()
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{Label: "person", Box: pipeline.Box{X: 630, Y: 100, Width: 50, Height: 50}}})
	c := kind(`{labels: name, stages: [people], colors: {person: "#00ff00"}}`)
	if err := pipetest.NewStage(t, c).Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	ground := image.Pt(600, 98)
	if got := colorsAt(t, f, []image.Point{ground}); got[ground] != 0x00ff00 {
		t.Errorf("%v is %06x, want the ground of the label", ground, got[ground])
	}
}

func TestCaptionWithLastMessage(t *testing.T) {
	f := street(t)
	defer f.Release()
	c := kind(`{labels: none, caption: "{{ state.data.mood }}"}`)
	c.Env.LastMessage = func(string) (pipeline.Message, bool) {
		return pipeline.Message{Type: "state", Data: map[string]any{"mood": "calm"}, At: time.Now()}, true
	}
	if err := pipetest.NewStage(t, c).Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if got := colorsAt(t, f, []image.Point{{1, 1}}); got[image.Pt(1, 1)] != 0 {
		t.Errorf("no caption was drawn: %06x", got)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*overlay.Config)
		want   string
	}{
		{"default", func(*overlay.Config) {}, ""},
		{"labels", func(c *overlay.Config) { c.Labels = "all" }, `labels: must be full, name or none, got "all"`},
		{"lines", func(c *overlay.Config) { c.LineWidth = -1 }, "line_width: must be from 0 to 100, got -1"},
		{"caption", func(c *overlay.Config) { c.CaptionAt = "left" }, `caption_at: must be top or bottom, got "left"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := overlay.Default()
			tt.change(&cfg)
			if got := message(cfg.Validate()); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	cfg := overlay.Default()
	cfg.Stages = []string{"people", "light", "cars"}
	want := `stages: no stage "light" upstream sets detections or texts
stages: no stage "cars" upstream sets detections or texts`
	if got := message(cfg.Check(scope)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// street returns a picture with a person and a dog that "people" saw and a text
// that "signs" read.
func street(t *testing.T) *pipeline.Frame {
	t.Helper()
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.BGR24, Width: 640, Height: 480})
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{
		{Label: "person", Score: 0.9, Box: pipeline.Box{X: 150, Y: 100, Width: 100, Height: 300}},
		{Label: "dog", Score: 0.5, Box: pipeline.Box{X: 400, Y: 250, Width: 100, Height: 100}},
	})
	f.Lend("signs")
	pipeline.Set(f, pipeline.Texts, []pipeline.Text{{Text: "EXIT", Box: pipeline.Box{X: 30, Y: 290, Width: 60, Height: 20}}})
	f.Lend("boxes")
	return f
}

// colorsAt returns pixels as 0xrrggbb.
func colorsAt(t *testing.T, f *pipeline.Frame, places []image.Point) map[image.Point]int {
	t.Helper()
	m, err := mat.View(f)
	if err != nil {
		t.Fatal(err)
	}
	colors := make(map[image.Point]int)
	for _, p := range places {
		v := m.GetVecbAt(p.Y, p.X)
		colors[p] = int(v[2])<<16 | int(v[1])<<8 | int(v[0])
	}
	return colors
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
