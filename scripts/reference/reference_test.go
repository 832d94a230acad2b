package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/examples/caption/caption"
	"github.com/reactorpipe/reactorpipe/examples/lookback/lookback"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/rehearsal"
)

const root = "../.."

// brightest is the stage of examples/customstage, as a module of its own has it:
// nothing here knows the comments on its fields.
type brightest struct {
	Size          int     `yaml:"size"`
	MinBrightness float64 `yaml:"min_brightness"`
	Colour        string  `yaml:"colour" oneof:"grey,red"`
}

func withForeign() *pipeline.Registry {
	reg := shipped()
	pipeline.RegisterStage(reg, pipeline.StageKind[brightest]{
		Name: "brightest", Default: func() brightest { return brightest{Size: 31} },
		Sets: []pipeline.AnyKind{pipeline.Detections},
	})
	lookback.Register(reg)
	caption.Register(reg)
	return reg
}

func schemaOf(t *testing.T, reg *pipeline.Registry) jsonSchema {
	t.Helper()
	text, err := config.Describe(reg, config.ShippedTexts()).Schema()
	if err != nil {
		t.Fatal(err)
	}
	return parseSchema(t, text)
}

// load is config.Load for a text, with every variable set that the files of the
// repository name.
func load(t *testing.T, reg *pipeline.Registry, text string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipeline.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadFile(reg, path)
}

func loadFile(reg *pipeline.Registry, path string) error {
	variables := map[string]string{"MODEL_URL": "http://localhost:8080", "CODEC": "vp8", "FPS": "10"}
	_, err := config.Load(path, reg, config.Options{Env: func(name string) (string, bool) {
		v, ok := variables[name]
		return v, ok
	}})
	return err
}

// asJSON returns what YAML holds as encoding/json would have it.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var fromYAML, v any
	if err := yaml.Unmarshal([]byte(text), &fromYAML); err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(fromYAML)
	if err == nil {
		err = json.Unmarshal(j, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEveryPipelineInTheRepositoryFitsTheSchema(t *testing.T) {
	reg := withForeign()
	schema := schemaOf(t, reg)
	generated, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	tests := parseSchema(t, generated["configs/pipeline_test.schema.json"])
	var files []string
	for _, pattern := range []string{"configs/*.yaml", "examples/*/*.yaml", "scripts/interop/pipelines/*.yaml", folder + "/examples/*/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no file (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, root+"/"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			schema := schema
			if rehearsal.IsTestFile(file) {
				schema = tests
			}
			for _, wrong := range schema.validate(asJSON(t, string(text))) {
				t.Error(wrong)
			}
		})
	}
}

func TestEveryExampleIsAPipelineWithItsKind(t *testing.T) {
	reg := shipped()
	sections := map[string][]string{"sources": reg.Sources(), "stages": reg.Stages(), "sinks": reg.Sinks()}
	for section, kinds := range sections {
		for _, kind := range kinds {
			t.Run(section+"/"+kind, func(t *testing.T) {
				file := filepath.Join(root, folder, "examples", section, kind+".yaml")
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := loadFile(reg, file); err != nil {
					t.Error(err)
				}
				use := "type: " + kind
				if section == "sources" {
					use = "{" + kind + ":"
				}
				if !strings.Contains(string(text), use) {
					t.Errorf("%s is not in it", use)
				}
				schemaLine := "# yaml-language-server: $schema=../../../../configs/pipeline.schema.json\n"
				if !strings.HasPrefix(string(text), schemaLine) {
					t.Errorf("does not begin with %s", schemaLine)
				}
			})
		}
	}
}

const (
	usual = `
session: {sim: {clip: x.mp4}, start: [{command: go, data: {a: 1}}]}
sources:
  cam: {track: main_video}
stages:
  - {name: people, type: people_detect, async: true}
` + usualSinks
	usualSinks = `sinks:
  - {name: steer, type: command, queue: {depth: 5}, config: {command: go}}
`
)

// What the loader takes the schema takes, and what an editor can see of what
// the loader refuses the schema refuses.
func TestSchemaAgreesWithTheLoader(t *testing.T) {
	reg := withForeign()
	schema := schemaOf(t, reg)
	tests := []struct {
		name     string
		old, new string
		ok       bool
	}{
		{"as it is", "", "", true},
		{"a key of the file", "sources:", "namw: x\nsources:", false},
		{"a key of the session", "sim:", "smi:", false},
		{"a key of the simulator", "clip:", "clpi:", false},
		{"a key of start", "data:", "dta:", false},
		{"a command that is missing", "command: go, data", "data", false},
		{"a key of a source", "track: main_video", "track: main_video, codcs: [vp8]", false},
		{"no kind of source", "track: main_video", "codecs: [vp8]", false},
		{"two kinds of source", "track: main_video", "track: main_video, file: x.mp4", false},
		{"a key of a stage", "async:", "asinc:", false},
		{"a sink's key on a stage", "async: true", "edge: rise", false},
		{"a kind that there is not", "type: people_detect", "type: people_detekt", false},
		{"a sink among stages", "type: people_detect", "type: log", false},
		{"no type", "type: people_detect, ", "", false},
		{"a key of a stage's config", "async: true", "config: {widht: 640}", false},
		{"a setting beside type", "async: true", "width: 640", false},
		{"a key of a sink's config", "{command: go}}", "{command: go, dta: {}}}", false},
		{"a setting that is required", ", config: {command: go}}", "}", false},
		{"a setting that is required, of a config", "config: {command: go}", "config: {dry_run: true}", false},
		{"a key of a queue", "depth:", "dept:", false},
		{"a word that is not one of those allowed", "depth: 5", "on_full: drop_some", false},
		{"one that is", "depth: 5", "on_full: drop_newest", true},
		{"a depth of zero", "depth: 5", "depth: 0", false},
		{"no workers", "async: true", "workers: 0", false},
		{"nothing in flight", "sources:", "max_in_flight: 0\nsources:", false},
		{"a simulator too fast", "clip: x.mp4", "clip: x.mp4, fps: 241", false},
		{"one that loses more than all", "clip: x.mp4", "clip: x.mp4, loss: 1.5", false},
		{"one that loses all", "clip: x.mp4", "clip: x.mp4, loss: 1", true},
		{"a setting out of range", "async: true", "config: {overlap: 2}", false},
		{"one at the end of its range", "async: true", "config: {overlap: 1}", true},
		{"one up to which a range goes", "async: true", "config: {min_score: 1}", false},
		{"text for a number", "depth: 5", "depth: five", false},
		{"a fraction for a whole number", "depth: 5", "depth: 5.5", false},
		{"a number for a truth", "async: true", "async: 1", false},
		{"a duration without a unit", "async: true", "async: true, ttl: 5", false},
		{"a duration with a wrong unit", "async: true", "async: true, ttl: 5sec", false},
		{"durations", "async: true", "async: true, ttl: 1m30.5s, deadline: 7d", true},
		{"a duration of zero", "queue: {depth: 5}", "when: true, hold: 0", true},
		{"a rate", "async: true", "rate: 15fps", true},
		{"a rate as a number", "async: true", "rate: 7.5", true},
		{"a rate of zero", "async: true", "rate: 0", false},
		{"a rate with a wrong unit", "async: true", "rate: 15 frames", false},
		{"a list for a word", "track: main_video", "track: [main_video]", false},
		{"a word for a list", "track: main_video", "track: main_video, codecs: vp8", false},
		{"a word of a list", "track: main_video", "track: main_video, codecs: [vp7]", false},
		{"nothing for a number", "depth: 5", "depth: null", false},
		{"nothing for a map", "queue: {depth: 5}", "queue: null", true},
		{"nothing for a config", "async: true", "config: null", true},
		{"a name in capitals", "name: people", "name: People", false},
		{"a variable for a number", "depth: 5", `depth: "${FPS}"`, true},
		{"a variable for a word", "track: main_video", `track: main_video, codecs: ["${CODEC}"]`, true},
		{"a number for text", "track: main_video", "track: 5", true},
		{"no sinks", usualSinks, "", false},
		{"an empty list of sinks", usualSinks, "sinks: []", false},
		{"a stage of one's own", "type: people_detect, async: true", "type: brightest, config: {size: 15, colour: red}", true},
		{"a key of its config", "type: people_detect, async: true", "type: brightest, config: {syze: 15}", false},
		{"a merged map", "async: true", "<<: {async: true}", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(usual, tt.old, tt.new, 1)
			if text == usual && tt.old != "" {
				t.Fatalf("%q is not in the file", tt.old)
			}
			if err := load(t, reg, text); (err == nil) != tt.ok {
				t.Errorf("the loader says %v\n%s", err, text)
			}
			if wrong := schema.validate(asJSON(t, text)); (len(wrong) == 0) != tt.ok {
				t.Errorf("the schema says %q\n%s", wrong, text)
			}
		})
	}
}

// The words that are listed for the file's own keys are those of the loader.
func TestChoicesAreThoseOfTheLoader(t *testing.T) {
	reg := shipped()
	ref := config.Describe(reg, config.ShippedTexts())
	tests := []struct {
		fields   []config.Field
		key      string
		old, new string
	}{
		{ref.Session, "on_exit", "sim:", "on_exit: WORD, sim:"},
		{ref.Session, "sim.codec", "clip:", "codec: WORD, clip:"},
		{ref.Stage, "on_error", "async:", "on_error: WORD, async:"},
		{ref.Sink, "on_error", "queue:", "on_error: WORD, queue:"},
		{ref.Sink, "edge", "queue:", "when: true, edge: WORD, queue:"},
		{ref.Sink, "queue.on_full", "depth:", "on_full: WORD, depth:"},
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			var words []string
			for _, choice := range choicesOf(t, tt.fields, tt.key) {
				words = append(words, choice.(string))
			}
			file := func(word string) string {
				return strings.Replace(usual, tt.old, strings.Replace(tt.new, "WORD", word, 1), 1)
			}
			for _, word := range words {
				if err := load(t, reg, file(word)); err != nil {
					t.Error(err)
				}
			}
			last := len(words) - 1
			want := fmt.Sprintf("%s: must be %s or %s, got nonsense", tt.key, strings.Join(words[:last], ", "), words[last])
			if err := load(t, reg, file("nonsense")); err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// choicesOf returns those of a field, by its dotted path.
func choicesOf(t *testing.T, fields []config.Field, path string) []any {
	t.Helper()
	key, rest, nested := strings.Cut(path, ".")
	for _, f := range fields {
		switch {
		case f.Key != key:
		case nested:
			return choicesOf(t, f.Form.Fields, rest)
		default:
			return f.Form.Choices
		}
	}
	t.Fatalf("no %s", path)
	return nil
}

// The words that a field's tag lists are those that Validate takes.
func TestChoicesAreThoseOfValidate(t *testing.T) {
	reg := shipped()
	ref := config.Describe(reg, config.ShippedTexts())
	sections := map[string][]config.Kind{"sources": ref.Sources, "stages": ref.Stages, "sinks": ref.Sinks}
	for section, kinds := range sections {
		for _, k := range kinds {
			for _, f := range k.Fields {
				choices, list := f.Form.Choices, false
				if f.Form.Of != nil {
					choices, list = f.Form.Of.Choices, true
				}
				for _, choice := range choices {
					if err := with(t, reg, section, k.Name, f.Key, choice, list); err != nil && strings.Contains(err.Error(), f.Key+": must be") {
						t.Errorf("%s: %v: %v", k.Name, choice, err)
					}
				}
				if choices != nil && with(t, reg, section, k.Name, f.Key, 12345, list) == nil {
					t.Errorf("%s: %s takes what is not in its list", k.Name, f.Key)
				}
			}
		}
	}
}

// What a field's tag says of its range is what the loader holds it to, and
// Validate takes all of it.
func TestRangesAreThoseOfValidate(t *testing.T) {
	reg := shipped()
	ref := config.Describe(reg, config.ShippedTexts())
	found := 0
	for section, kinds := range map[string][]config.Kind{"sources": ref.Sources, "stages": ref.Stages, "sinks": ref.Sinks} {
		for _, k := range kinds {
			for _, f := range k.Fields {
				if f.Form.Range == nil {
					continue
				}
				found++
				for _, end := range ends(*f.Form.Range) {
					err := with(t, reg, section, k.Name, f.Key, end.value, false)
					refused := err != nil && strings.HasSuffix(err.Error(), fmt.Sprintf("%s: must be %s, got %v", f.Key, f.Form.Range, end.value))
					if end.within && err != nil && strings.Contains(err.Error(), f.Key+": must be") || !end.within && !refused {
						t.Errorf("%s: %s: %v: %v", k.Name, f.Key, end.value, err)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no kind has a range")
	}
}

// end is a number at the end of a range, or next to it.
type end struct {
	value  any
	within bool
}

func ends(r config.Range) []end {
	var all []end
	if r.Min != nil {
		all = append(all, end{int(*r.Min), true}, end{int(*r.Min) - 1, false})
	}
	if r.Max != nil {
		all = append(all, end{int(*r.Max), !r.Below}, end{int(*r.Max) + 1, false})
	}
	return all
}

// with loads the example of a kind with one setting changed.
func with(t *testing.T, reg *pipeline.Registry, section, kind, key string, value any, list bool) error {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, folder, "examples", section, kind+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if list {
		value = []any{value}
	}
	changed := false
	if sources, ok := file[section].(map[string]any); ok {
		for _, source := range sources {
			source.(map[string]any)[key], changed = value, true
		}
	}
	nodes, _ := file[section].([]any)
	for _, n := range nodes {
		node := n.(map[string]any)
		if node["type"] != kind {
			continue
		}
		settings, _ := node["config"].(map[string]any)
		if settings == nil {
			settings = map[string]any{}
		}
		settings[key], node["config"], changed = value, settings, true
	}
	if !changed {
		t.Fatalf("the example of %s has none", kind)
	}
	var changedText bytes.Buffer
	if err := yaml.NewEncoder(&changedText).Encode(file); err != nil {
		t.Fatal(err)
	}
	return load(t, reg, changedText.String())
}

// A default is shown as a file may have it.
func TestDefaultsCanBeWritten(t *testing.T) {
	reg := shipped()
	schema := schemaOf(t, reg)
	ref := config.Describe(reg, config.ShippedTexts())
	for word, kinds := range map[string][]config.Kind{"source": ref.Sources, "stage": ref.Stages, "sink": ref.Sinks} {
		for _, k := range kinds {
			for _, f := range k.Fields {
				if f.Default == nil {
					continue
				}
				definition := schema.root["definitions"].(map[string]any)[word+"."+k.Name].(map[string]any)
				property := definition["properties"].(map[string]any)[f.Key].(map[string]any)
				j, err := json.Marshal(f.Default)
				if err != nil {
					t.Fatal(err)
				}
				for _, wrong := range schema.check(property, asJSON(t, string(j)), fmt.Sprintf("%s.%s", k.Name, f.Key)) {
					t.Error(wrong)
				}
			}
		}
	}
}

// Operators find every reason that the graph counts frames by.
func TestReasonsAreExplained(t *testing.T) {
	page := contentsOf(t, "docs/operations.md")
	for _, reason := range slices.Concat(graph.DropReasons(), graph.SkipReasons()) {
		if !strings.Contains(page, "\n| `"+reason+"` |") {
			t.Errorf("docs/operations.md does not explain %s", reason)
		}
	}
}
