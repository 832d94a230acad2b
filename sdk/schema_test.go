package sdk

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testSchema(t *testing.T) *Schema {
	t.Helper()
	doc, err := os.ReadFile("testdata/brightness.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSchema(doc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// size is an argument's type in a program of its own.
type size string

func TestSchemaCheck(t *testing.T) {
	type computed struct{}
	s := testSchema(t)
	tests := []struct {
		name    string
		command string
		args    map[string]any
		want    string // "" is fine
	}{
		{"fits", "set_brightness", map[string]any{"brightness": 1.5}, ""},
		{"integer for a number", "set_brightness", map[string]any{"brightness": 1}, ""},
		{"default used", "set_brightness", nil, ""},
		{"float for an integer", "set_burst", map[string]any{"burst": 3.0}, ""},
		{"fraction for an integer", "set_burst", map[string]any{"burst": 3.5}, `command "set_burst": burst: expected integer, got 3.5`},
		{"unknown command", "set_brightnes", nil, `unknown command "set_brightnes"; the model has "set_brightness", "set_burst", "set_image", "set_resolution", "set_text", "set_weights"`},
		{"unknown argument", "set_brightness", map[string]any{"value": 1}, `command "set_brightness": value: unexpected argument; the command takes "brightness"`},
		{"wrong type", "set_brightness", map[string]any{"brightness": "high"}, `command "set_brightness": brightness: expected number, got "high"`},
		{"bool is no number", "set_brightness", map[string]any{"brightness": true}, `command "set_brightness": brightness: expected number, got true`},
		{"below", "set_brightness", map[string]any{"brightness": -1}, `command "set_brightness": brightness: -1 is below the minimum of 0`},
		{"above", "set_brightness", map[string]any{"brightness": 9}, `command "set_brightness": brightness: 9 is above the maximum of 2`},
		{"enum", "set_resolution", map[string]any{"resolution": "4k"}, `command "set_resolution": resolution: "4k" is not one of ["480p","720p"]`},
		{"too long", "set_text", map[string]any{"text": "abcdef"}, `command "set_text": text: length 6 is above the maximum of 5`},
		{"null where optional", "set_text", map[string]any{"text": nil}, ""},
		{"missing", "set_image", nil, `command "set_image": image: missing required argument`},
		{"not a file", "set_image", map[string]any{"image": "a.png"}, `command "set_image": image: expected an uploaded file, got "a.png"`},
		{"file", "set_image", map[string]any{"image": FileRef{UploadID: "u1"}}, ""},
		{"two mistakes", "set_burst", map[string]any{"burst": "x", "y": 1}, `command "set_burst": burst: expected integer, got "x"; y: unexpected argument; the command takes "burst"`},
		{"entry of a dictionary", "set_weights", map[string]any{"weights": map[string]any{"a": 1.0, "b": "x"}}, `command "set_weights": weights: b: expected number, got "x"`},
		{"missing, of several", "set_image", map[string]any{"x": 1}, `command "set_image": x: unexpected argument; the command takes "image"; image: missing required argument`},
		{"a file where none belongs", "set_text", map[string]any{"text": FileRef{UploadID: "u1"}}, `command "set_text": text: expected string, got an uploaded file`},
		{"a reference as data", "set_image", map[string]any{"image": map[string]any{"upload_id": "u1"}}, ""},
		{"a reference without an id", "set_image", map[string]any{"image": map[string]any{"upload_id": ""}}, `command "set_image": image: expected an uploaded file, got {"upload_id":""}`},
		{"a type of one's own", "set_resolution", map[string]any{"resolution": size("720p")}, ""},
		{"a wrong one of one's own", "set_resolution", map[string]any{"resolution": size("4k")}, `command "set_resolution": resolution: "4k" is not one of ["480p","720p"]`},
		{"any integer of Go", "set_burst", map[string]any{"burst": uint8(3)}, ""},
		{"an integer in JSON", "set_burst", map[string]any{"burst": json.Number("3")}, ""},
		{"not a number", "set_brightness", map[string]any{"brightness": math.NaN()}, `command "set_brightness": brightness: expected number, got float64`},
		{"a map of one's own", "set_weights", map[string]any{"weights": map[string]int{"a": 1}}, ""},
		{"not known yet", "set_brightness", map[string]any{"brightness": computed{}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.Check(tt.command, tt.args, func(v any) bool { _, ok := v.(computed); return ok })
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestParseSchemaReply(t *testing.T) {
	c, ok := testSchema(t).Command("set_brightness")
	if !ok || c.Reply != "BrightnessSet" {
		t.Errorf("got reply %q, %v; want BrightnessSet", c.Reply, ok)
	}
}

func TestParseSchemaMessage(t *testing.T) {
	got := testSchema(t).Messages
	want := []MessageSchema{{
		Name: "brightness_set", Type: "BrightnessSet",
		Fields: []ArgSchema{{Name: "brightness", Value: &ValueSchema{Type: "number"}}},
	}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestFieldsInOrder(t *testing.T) {
	v := parseValue(t, `{"properties": {"a": {}, "b": {}, "c": {}, "d": {}}, "required": ["d", "x", "b", "d"]}`)
	var got []string
	for _, f := range v.Fields() {
		got = append(got, fmt.Sprintf("%s %t", f.Name, f.Required))
	}
	want := []string{"d true", "b true", "a false", "c false"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestValueSchemaString(t *testing.T) {
	tests := []struct{ schema, want string }{
		{`{}`, "anything"},
		{`{"type": "boolean"}`, "boolean"},
		{`{"type": "number"}`, "number"},
		{`{"type": "number", "minimum": 0, "maximum": 2}`, "number from 0 to 2"},
		{`{"type": "integer", "minimum": 1}`, "integer of at least 1"},
		{`{"type": "integer", "maximum": 9}`, "integer of at most 9"},
		{`{"type": "string"}`, "text"},
		{`{"type": "string", "minLength": 1, "maxLength": 200}`, "text of 1 to 200 characters"},
		{`{"type": "string", "minLength": 3}`, "text of at least 3 characters"},
		{`{"type": "string", "maxLength": 3}`, "text of at most 3 characters"},
		{`{"type": "string", "enum": ["off", "2x"]}`, `one of "off", "2x"`},
		{`{"anyOf": [{"type": "string"}, {"type": "null"}]}`, "text or null"},
		{`{"anyOf": [{"type": "string"}, {"type": "null"}], "maxLength": 5}`, "text of at most 5 characters or null"},
		{`{"anyOf": [{"type": "string"}, {"type": "integer"}]}`, "text or integer"},
		{`{"type": ["string", "null"]}`, "string null"},
		{`{"type": "array"}`, "list"},
		{`{"type": "array", "items": {"type": "integer"}}`, "list of integer"},
		{`{"type": "object"}`, "object"},
		{`{"type": "object", "additionalProperties": {"type": "number"}}`, "object of number"},
		{`{"type": "object", "properties": {"x": {"type": "integer"}, "y": {}}}`, "object {x: integer, y: anything}"},
		{`{"type": "object", "format": "reactor-upload-reference"}`, "uploaded file"},
	}
	for _, tt := range tests {
		if got := parseValue(t, tt.schema).String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.schema, got, tt.want)
		}
	}
}

// parseValue reads the schema of one argument.
func parseValue(t *testing.T, schema string) *ValueSchema {
	t.Helper()
	s, err := ParseSchema(json.RawMessage(`{"paths": {"/events/c": {"post": {"requestBody": {"content": {"application/json": {"schema": {"properties": {"x": ` + schema + `}}}}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return s.Commands[0].Args[0].Value
}

func FuzzParseSchema(f *testing.F) {
	doc, err := os.ReadFile("testdata/brightness.schema.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Add([]byte(`{"paths":{"/events/a":{"post":{"requestBody":{"content":{"application/json":{"schema":{"properties":{"x":{"$ref":"#/components/schemas/A"}}}}}}}}},"components":{"schemas":{"A":{"items":{"$ref":"#/components/schemas/A"}}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := ParseSchema(json.RawMessage(doc))
		if err != nil {
			return
		}
		for _, c := range s.Commands {
			for _, a := range c.Args {
				_ = a.Value.String()
			}
			_ = s.Check(c.Name, map[string]any{"x": []any{1.0, "a", nil}}, nil)
		}
	})
}
