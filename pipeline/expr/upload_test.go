package expr_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// beside returns the scope of a pipeline's file in a folder with one file.
func beside(t *testing.T) *expr.Scope {
	t.Helper()
	s := scope()
	s.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(s.Dir, "ref.png"), []byte("picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "empty.png"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// evaluate reads and checks {image: raw} and returns what becomes of raw.
func evaluate(s *expr.Scope, raw any, in expr.Input) (v expr.Value, got any, ok bool, err error) {
	v, err = expr.NewValue(map[string]any{"image": raw})
	if err == nil {
		err = v.Check(s)
	}
	if err != nil {
		return v, nil, false, err
	}
	got, ok, err = v.Eval(in)
	if m, isMap := got.(map[string]any); isMap {
		got = m["image"]
	}
	return v, got, ok, err
}

func TestFileUpload(t *testing.T) {
	s := beside(t)
	tests := []struct {
		name, path string
		want       string // relative to the folder, unless it is absolute
		wrong      string // DIR is the folder
	}{
		{"beside the pipeline", "ref.png", "ref.png", ""},
		{"absolute", filepath.Join(s.Dir, "ref.png"), "ref.png", ""},
		{"computed", "refs/{{ people.detections[0].label }}.png", "refs/person.png", ""},
		{"computed in full", `{{ "refs/" + people.detections[0].label }}`, "refs/person", ""},
		{"above", "refs/../ref.png", "ref.png", ""},
		{"absent", "{{ faces.detections[0].label }}", "", ""},
		{"computed upwards", `refs/{{ "../" + people.detections[0].label }}`, "", `image.file: refs/{{ "../" + people.detections[0].label }}: leads out of its folder: "refs/../person"`},
		{"computed to the root", `{{ "/etc/" + people.detections[0].label }}`, "", `image.file: {{ "/etc/" + people.detections[0].label }}: leads out of its folder: "/etc/person"`},
		{"missing", "nope.png", "", "image.file: there is no file DIR/nope.png"},
		{"a folder", ".", "", "image.file: DIR: is not a file"},
		{"empty", "empty.png", "", "image.file: DIR/empty.png: is empty"},
		{"unknown name", "{{ nobody }}.png", "", `image.file: {{ nobody }}: unknown name "nobody"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, ok, err := evaluate(s, map[string]any{"file": tt.path}, input())
			if message(err) != filled(tt.wrong, s.Dir) {
				t.Fatalf("got  %v\nwant %s", err, filled(tt.wrong, s.Dir))
			}
			if ok != (tt.want != "") {
				t.Fatalf("present: %v", ok)
			}
			if want := (pipeline.Upload{Path: filepath.Join(s.Dir, tt.want)}); ok && !cmp.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func filled(text, dir string) string {
	for i := 0; i+3 <= len(text); i++ {
		if text[i:i+3] == "DIR" {
			return text[:i] + dir + text[i+3:]
		}
	}
	return text
}

func TestStillUpload(t *testing.T) {
	var asked pipeline.Still
	in := input()
	in.Still = func(s pipeline.Still) (pipeline.Upload, error) {
		asked = s
		return s.Upload(nil), nil
	}
	box := pipeline.Box{X: 10, Width: 50}
	tests := []struct {
		name string
		raw  map[string]any
		want pipeline.Still
	}{
		{"whole", map[string]any{"frame": true}, pipeline.Still{Whole: true, Quality: 90}},
		{"a detection", map[string]any{"frame": "crop(people.detections[0])"}, pipeline.Still{Crop: box, Quality: 90}},
		{"a box", map[string]any{"frame": "crop(people.detections[0].box)"}, pipeline.Still{Crop: box, Quality: 90}},
		{"with a margin", map[string]any{"frame": "crop(people.detections[0], 0.5)"}, pipeline.Still{Crop: pipeline.Box{X: -15, Width: 100}, Quality: 90}},
		{"numbers", map[string]any{"frame": "crop(1, 2.5, frame.width, 4)"}, pipeline.Still{Crop: pipeline.Box{X: 1, Y: 2.5, Width: 1280, Height: 4}, Quality: 90}},
		{"a map", map[string]any{"frame": `crop({"x": 1, "y": 2, "width": 3, "height": 4})`}, pipeline.Still{Crop: pipeline.Box{X: 1, Y: 2, Width: 3, Height: 4}, Quality: 90}},
		{"the best of all", map[string]any{"frame": "crop(sortBy(people.detections, .score)[-1])"}, pipeline.Still{Crop: box, Quality: 90}},
		{"png", map[string]any{"frame": true, "format": "png"}, pipeline.Still{Whole: true, PNG: true, Quality: 90}},
		{"quality", map[string]any{"frame": true, "quality": 40}, pipeline.Still{Whole: true, Quality: 40}},
		{"on a condition", map[string]any{"frame": "len(people.detections) > 0"}, pipeline.Still{Whole: true, Quality: 90}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, got, ok, err := evaluate(scope(), tt.raw, in)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if asked != tt.want {
				t.Errorf("asked for %+v, want %+v", asked, tt.want)
			}
			if want := tt.want.Upload(nil); !cmp.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if want := map[string]any{"image": tt.want.Upload(nil)}; !v.Stills() || !cmp.Equal(v.Consts(), any(want)) {
				t.Errorf("before frames it is %v, want %v", v.Consts(), want)
			}
			if _, constant := v.Const(); constant {
				t.Error("it counts as constant")
			}
		})
	}
	for name, raw := range map[string]map[string]any{
		"absent": {"frame": "crop(faces.detections[0])"}, "not now": {"frame": "len(people.detections) > 10"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, ok, err := evaluate(scope(), raw, in); ok || err != nil {
				t.Errorf("present %v, %v", ok, err)
			}
		})
	}
	t.Run("outside of the picture", func(t *testing.T) {
		in := input()
		in.Still = func(pipeline.Still) (pipeline.Upload, error) { return pipeline.Upload{}, pipeline.ErrEmptyCrop }
		_, _, ok, err := evaluate(scope(), map[string]any{"frame": true}, in)
		if ok || !errors.Is(err, pipeline.ErrEmptyCrop) || err.Error() != "image.frame: the crop lies outside of the picture" {
			t.Errorf("present %v, %v", ok, err)
		}
	})
	t.Run("in a scope with a stage of that name", func(t *testing.T) {
		s := scope()
		s.Stages["crop"] = nil
		if _, _, ok, err := evaluate(s, map[string]any{"frame": "crop(people.detections[0])"}, in); !ok || err != nil {
			t.Errorf("present %v, %v", ok, err)
		}
	})
}

func TestStillUploadErrors(t *testing.T) {
	const how = "must be true, for the whole picture, or an expression such as crop(people.detections[0])"
	tests := []struct {
		name string
		raw  map[string]any
		want string
	}{
		{"no expression", map[string]any{"frame": 3}, "image.frame: " + how + ", got 3"},
		{"nothing", map[string]any{"frame": nil}, "image.frame: " + how + ", got nothing"},
		{"false", map[string]any{"frame": false}, "image.frame: " + how + ", got false"},
		{"braces", map[string]any{"frame": "{{ true }}"}, "image.frame: is an expression by itself, without {{ }}"},
		{"a list", map[string]any{"frame": "people.detections"}, "image.frame: " + how + ", got people.detections"},
		{"a crop of a list", map[string]any{"frame": "crop(people.detections)"}, "image.frame: crop(people.detections): crop takes what has a box, got a list"},
		{"a crop of nothing", map[string]any{"frame": "crop()"}, "image.frame: crop(): crop takes what has a box and perhaps a margin, or x, y, width and height"},
		{"text as a number", map[string]any{"frame": `crop(1, 2, 3, "x")`}, `image.frame: crop(1, 2, 3, "x"): crop takes numbers, got text`},
		{"an unknown name", map[string]any{"frame": "crop(peple.detections[0])"}, `image.frame: crop(peple.detections[0]): unknown name "peple", did you mean "people"?`},
		{"format", map[string]any{"frame": true, "format": "gif"}, "image.format: must be jpeg or png, got gif"},
		{"quality", map[string]any{"frame": true, "quality": 0}, "image.quality: must be 1 to 100, got 0"},
		{"quality of a png", map[string]any{"frame": true, "format": "png", "quality": 9}, "image.quality: is for jpeg: a png loses nothing"},
		{"position", map[string]any{"frame": "crop(people.detections[7])"}, "image.frame: crop(people.detections[7]): position 7 is outside a list of 3"},
		{"a message's text", map[string]any{"frame": "crop(state.data.frame)"}, "image.frame: crop(state.data.frame): crop takes what has a box, got a number"},
		{"half a map", map[string]any{"frame": `crop(state.data.user)`}, "image.frame: crop(state.data.user): crop takes x, y, width and height as numbers, got nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input()
			in.Still = func(s pipeline.Still) (pipeline.Upload, error) { return s.Upload(nil), nil }
			_, _, _, err := evaluate(scope(), tt.raw, in)
			if message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	t.Run("nobody to make it", func(t *testing.T) {
		_, _, _, err := evaluate(scope(), map[string]any{"frame": true}, input())
		if want := "image.frame: there is nobody here to make pictures of frames"; message(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}
