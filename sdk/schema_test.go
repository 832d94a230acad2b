package sdk

import (
	"encoding/json"
	"os"
	"testing"
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
		{"unknown command", "set_brightnes", nil, `unknown command "set_brightnes"; the model has "set_brightness", "set_burst", "set_image", "set_resolution", "set_text"`},
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
			_ = s.Check(c.Name, map[string]any{"x": []any{1.0, "a", nil}}, nil)
		}
	})
}
