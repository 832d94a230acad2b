package config

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Shared is embedded in the configuration below.
type Shared struct {
	Label string `yaml:"label"`
}

type everyConfig struct {
	Shared  `yaml:",inline"`
	Text    string
	Way     string         `yaml:"way" oneof:"up,down"`
	Step    int            `yaml:"step" oneof:"4,8"`
	Count   uint8          `yaml:"count"`
	Factor  float64        `yaml:"factor" live:"true"`
	On      bool           `yaml:"on"`
	Span    Duration       `yaml:"span"`
	Pause   time.Duration  `yaml:"pause"`
	Bytes   Size           `yaml:"bytes"`
	Bits    Bitrate        `yaml:"bits"`
	Rate    Rate           `yaml:"rate"`
	Caption expr.Template  `yaml:"caption"`
	Data    expr.Value     `yaml:"data"`
	Names   []string       `yaml:"names"`
	Corner  [2]float64     `yaml:"corner"`
	ByName  map[string]int `yaml:"by_name"`
	Within  struct {
		Depth int `yaml:"depth"`
	} `yaml:"within"`
	Maybe  *Shared `yaml:"maybe"`
	Least  *int    `yaml:"least"`
	hidden int
	Not    int `yaml:"-"`
}

func (c *everyConfig) Validate() error {
	if c.Text == "" {
		return errors.New("text: is required\nway: is required, or names")
	}
	return nil
}

func everyKind() *pipeline.Registry {
	r := pipeline.NewRegistry()
	pipeline.RegisterStage(r, pipeline.StageKind[everyConfig]{Name: "every", Default: func() everyConfig {
		c := everyConfig{
			Way: "up", Step: 8, Factor: 1.5, Span: Duration(90 * time.Second), Pause: time.Minute, Bytes: 4 << 20,
			Bits: 2_500_000, Rate: 15, Names: []string{"a", "b"}, hidden: 1,
		}
		c.Within.Depth = 3
		return c
	}})
	return r
}

func noTexts(string) string { return "" }

func TestDescribe(t *testing.T) {
	var asked []string
	ref := Describe(everyKind(), func(name string) string {
		if name, ours := strings.CutPrefix(name, "github.com/reactorpipe/reactorpipe/pipeline/config."); ours {
			asked = append(asked, name)
			return "about " + name
		}
		return ""
	})
	type row struct {
		Key, Text, Word string
		Default         any
		Required, Live  bool
	}
	var got []row
	for _, f := range ref.Stages[0].Fields {
		got = append(got, row{f.Key, f.Text, f.Form.Word, f.Default, f.Required, f.Live})
	}
	want := []row{
		{"label", "about Shared.Label", "text", nil, false, false},
		{"text", "about everyConfig.Text", "text", nil, true, false},
		{"way", "about everyConfig.Way", "text", "up", false, false},
		{"step", "about everyConfig.Step", "whole number", 8, false, false},
		{"count", "about everyConfig.Count", "whole number", uint8(0), false, false},
		{"factor", "about everyConfig.Factor", "number", 1.5, false, true},
		{"on", "about everyConfig.On", "true or false", false, false, false},
		{"span", "about everyConfig.Span", "duration", "1m30s", false, false},
		{"pause", "about everyConfig.Pause", "duration", "1m", false, false},
		{"bytes", "about everyConfig.Bytes", "size", "4MiB", false, false},
		{"bits", "about everyConfig.Bits", "bitrate", "2500k", false, false},
		{"rate", "about everyConfig.Rate", "rate", "15/s", false, false},
		{"caption", "about everyConfig.Caption", "template", nil, false, false},
		{"data", "about everyConfig.Data", "value", nil, false, false},
		{"names", "about everyConfig.Names", "list", []any{"a", "b"}, false, false},
		{"corner", "about everyConfig.Corner", "list", nil, false, false},
		{"by_name", "about everyConfig.ByName", "map", nil, false, false},
		{"within", "about everyConfig.Within", "keys", nil, false, false},
		{"maybe", "about everyConfig.Maybe", "keys", nil, false, false},
		{"least", "about everyConfig.Least", "whole number", nil, false, false},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	within := ref.Stages[0].Fields[17].Form.Fields
	if diff := cmp.Diff(within, []Field{{
		Key: "depth", Text: "about everyConfig.Within.Depth", Form: Form{Word: "whole number"}, Default: 3,
	}}, cmpopts.IgnoreUnexported(Form{})); diff != "" {
		t.Error(diff)
	}
}

// Whatever a form is, a file may have a variable in its place.
func TestSchemaOfForms(t *testing.T) {
	text, err := Describe(everyKind(), noTexts).Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]struct {
			Required   []string
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	stage := schema.Definitions["stage.every"]
	if diff := cmp.Diff(stage.Required, []string{"text"}); diff != "" {
		t.Error(diff)
	}
	tests := map[string]string{
		"text":    `{"type": ["string", "number", "boolean"]}`,
		"way":     `{"anyOf": [{"enum": ["up", "down"]}, {"type": "string", "pattern": "\\$\\{"}], "default": "up"}`,
		"step":    `{"anyOf": [{"enum": [4, 8]}, {"type": "string", "pattern": "\\$\\{"}], "default": 8}`,
		"count":   `{"type": ["integer", "string"], "pattern": "\\$\\{", "patternErrorMessage": "must be a whole number", "minimum": 0, "default": 0}`,
		"on":      `{"type": ["boolean", "string"], "pattern": "\\$\\{", "patternErrorMessage": "must be true or false", "default": false}`,
		"data":    `{}`,
		"names":   `{"type": ["array", "null"], "items": {"type": ["string", "number", "boolean"]}, "default": ["a", "b"]}`,
		"corner":  `{"type": ["array", "null"], "items": {"type": ["number", "string"], "pattern": "\\$\\{", "patternErrorMessage": "must be a number"}, "minItems": 2, "maxItems": 2}`,
		"by_name": `{"type": ["object", "null"], "additionalProperties": {"type": ["integer", "string"], "pattern": "\\$\\{", "patternErrorMessage": "must be a whole number"}}`,
		"maybe":   `{"type": ["object", "null"], "properties": {"label": {"type": ["string", "number", "boolean"]}}, "additionalProperties": false}`,
		"least":   `{"anyOf": [{"type": ["integer", "string"], "pattern": "\\$\\{", "patternErrorMessage": "must be a whole number"}, {"type": "null"}]}`,
	}
	for key, want := range tests {
		t.Run(key, func(t *testing.T) {
			var w any
			if err := json.Unmarshal([]byte(want), &w); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(stage.Properties[key], w); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A configuration that is no struct is described by what it is.
func TestSchemaOfAMap(t *testing.T) {
	r := pipeline.NewRegistry()
	pipeline.RegisterSink(r, pipeline.SinkKind[map[string]bool]{Name: "switches"})
	text, err := Describe(r, noTexts).Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]struct {
			AdditionalProperties any
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if _, ok := schema.Definitions["sink.switches"].AdditionalProperties.(map[string]any); !ok {
		t.Errorf("got %v", schema.Definitions["sink.switches"])
	}
}

// Each of the file's own keys has a comment that ships.
func TestShippedTexts(t *testing.T) {
	ref := Describe(pipeline.NewRegistry(), ShippedTexts())
	for _, fields := range [][]Field{ref.File, ref.Session, ref.Source, ref.Stage, ref.Sink} {
		for _, f := range fields {
			if f.Text == "" {
				t.Errorf("nothing is said of %s", f.Key)
			}
		}
	}
}
