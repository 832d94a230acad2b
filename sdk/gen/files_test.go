package gen_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/gen"
)

var update = flag.Bool("update", false, "write the packages in testdata anew")

// models are the documents of testdata, in the form of the live runtime.
var models = []string{"brightness", "echo", "helios", "lingbot"}

func document(t *testing.T, model string) json.RawMessage {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", model, "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func generate(t *testing.T, doc json.RawMessage, pkg string) gen.Files {
	t.Helper()
	files, err := gen.Generate(doc, pkg)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What is generated is what lies in testdata, to be read there; the packages
// that other tests use are these.
func TestGenerate(t *testing.T) {
	for _, model := range models {
		t.Run(model, func(t *testing.T) {
			files := generate(t, document(t, model), model)
			folder := filepath.Join("testdata", model)
			if *update {
				if _, err := files.Write(folder); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(files)) {
				want, err := os.ReadFile(filepath.Join(folder, name))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(files[name])); diff != "" {
					t.Errorf("%s (-want +got; go test ./sdk/gen -update rewrites it):\n%s", name, diff)
				}
			}
			if tidy, err := format.Source(files["client.go"]); err != nil || !bytes.Equal(tidy, files["client.go"]) {
				t.Errorf("not as gofmt has it: %v", err)
			}
		})
	}
}

// odd is what a document may hold that the models at hand do not.
const odd = `{"info": {"title": "odd \"one\"", "description": "*/ }\n+build ignore"}, "x-reactor": {"tracks": [{"name": "2nd", "kind": "video", "direction": "out"}]},
	"paths": {
		"/events/messages": {"post": {"summary": "Say\nmore.", "requestBody": {"content": {"application/json": {"schema": {"properties": {"type": {"type": "string"}}, "required": ["type"]}}}}}},
		"/events/set-a": {"post": {}},
		"/events/set_a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"additionalProperties": true, "properties": {"x": {}}}}}}}},
		"/events/open": {"post": {"requestBody": {"content": {"application/json": {"schema": {"additionalProperties": true}}}}}},
		"/events/plan": {"post": {"requestBody": {"content": {"application/json": {"schema": {"required": ["way", "ctx"], "properties": {
			"ctx": {"type": "integer", "enum": [1, 2]},
			"way": {"type": "array", "items": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}, "image": {"$ref": "#/components/schemas/F"}}}},
			"ids": {"type": "array", "items": {"type": "string"}},
			"mode": {"type": "string", "enum": ["", "a b", "a-b"]},
			"other": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
			"mixed": {"enum": [1, "a"]},
			"note": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}}}}}
	},
	"webhooks": {
		"client": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/C"}}}}}},
		"message": {"post": {}}},
	"components": {"schemas": {"F": {"type": "object", "format": "reactor-upload-reference"},
		"C": {"type": "object", "properties": {"id": {"type": "integer"}, "ID": {"type": "string"}, "mode": {"enum": ["x"]}, "at": {"type": "object", "properties": {"x": {"type": "integer"}}}}}}}}`

// A document's own words break nothing.
func TestGenerateOddNames(t *testing.T) {
	files := generate(t, json.RawMessage(odd), "odd")
	for _, line := range []string{
		"func (c *Client) MessagesCommand(ctx context.Context, typeArg string) error {",
		"func (c *Client) SetA(ctx context.Context) error {",
		"func (c *Client) SetACommand(ctx context.Context, x any, more map[string]any) error {",
		"func (c *Client) Open(ctx context.Context, more map[string]any) error {",
		"func (c *Client) Plan(ctx context.Context, way []PlanWay, ctxArg int, opts *PlanOptions) error {",
		"type ClientMessage struct {",
		"type MessageMessage struct{}",
		"\tTrackX2nd = \"2nd\"",
		"\tModeValue1 Mode = \"\"\n\tModeAB     Mode = \"a b\"\n\tModeAB2    Mode = \"a-b\"",
	} {
		if !strings.Contains(string(files["client.go"]), line+"\n") {
			t.Errorf("no %q in:\n%s", line, files["client.go"])
		}
	}
	vet(t, files)
}

// A model may have one thing only.
func TestGenerateLittle(t *testing.T) {
	for _, little := range []string{
		`{"x-reactor": {"tracks": [{"name": "main_video", "kind": "video", "direction": "out"}]}}`,
		`{"paths": {"/events/start": {"post": {}}}}`,
		`{"webhooks": {"started": {"post": {}}}}`,
	} {
		vet(t, generate(t, json.RawMessage(little), "little"))
	}
}

// vet builds a package inside this module, as go vet does before it looks.
func vet(t *testing.T, files gen.Files) {
	t.Helper()
	parent, err := os.MkdirTemp("testdata", "vet") //nolint:usetesting // it must lie inside this module
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	folder := filepath.Join(parent, "client") // deeper than where other tests look for schemas
	if _, err := files.Write(folder); err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), "go", "vet", "./"+folder)
	check.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, files["client.go"])
	}
}

func TestGeneratedPackagesVet(t *testing.T) {
	for _, model := range models {
		check := exec.CommandContext(t.Context(), "go", "vet", "./testdata/"+model)
		check.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", model, err, out)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	tests := []struct{ name, pkg, document, want string }{
		{"no identifier", "my-model", odd, `package: must be a Go identifier other than main, got "my-model"`},
		{"a program", "main", odd, `package: must be a Go identifier other than main, got "main"`},
		{"no JSON", "x2", `{`, "model schema: unexpected end of JSON input"},
		{"not loaded yet", "x2", `{}`, "model schema: names no command, message or track"},
		{
			"untaggable", "x2",
			"{\"webhooks\": {\"m\": {\"post\": {\"requestBody\": {\"content\": {\"application/json\": {\"schema\": {\"properties\": {\"a`b\": {}}}}}}}}}}",
			"model schema: M: a field named \"a`b\" cannot be written in Go",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := gen.Generate(json.RawMessage(tt.document), tt.pkg)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// The same model in any order of keys is the same package.
func TestGenerateIsStable(t *testing.T) {
	for _, model := range models {
		want := generate(t, document(t, model), model)
		turned := reverse(t, document(t, model))
		if diff := cmp.Diff(want, generate(t, turned, model)); diff != "" {
			t.Errorf("%s: %s", model, diff)
		}
		if diff := cmp.Diff(want, generate(t, want["schema.json"], model)); diff != "" {
			t.Errorf("%s: from its own schema: %s", model, diff)
		}
	}
}

// reverse turns round the order of all keys of a document.
func reverse(t *testing.T, doc json.RawMessage) json.RawMessage {
	t.Helper()
	var object map[string]json.RawMessage
	if json.Unmarshal(doc, &object) != nil || object == nil {
		var list []json.RawMessage
		if json.Unmarshal(doc, &list) != nil || list == nil {
			return doc
		}
		for i := range list {
			list[i] = reverse(t, list[i])
		}
		out, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var pairs []string
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(object))) {
		name, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, string(name)+":"+string(reverse(t, object[key])))
	}
	return json.RawMessage("{" + strings.Join(pairs, ",") + "}")
}

func TestWrite(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "brightness")
	files := generate(t, document(t, "brightness"), "brightness")
	write := func(files gen.Files) []string {
		t.Helper()
		changed, err := files.Write(folder)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	code, schema := filepath.Join(folder, "client.go"), filepath.Join(folder, "schema.json")
	if diff := cmp.Diff(write(files), []string{schema, code}); diff != "" {
		t.Errorf("at first: %s", diff)
	}
	if changed := write(files); changed != nil {
		t.Errorf("again: %q changed", changed)
	}
	if diff := cmp.Diff(write(generate(t, document(t, "brightness"), "bright")), []string{code}); diff != "" {
		t.Errorf("under another name: %s", diff)
	}
	if err := os.WriteFile(code, []byte("package mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := code + ": was not generated and is not overwritten"
	if _, err := files.Write(folder); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzGenerate(f *testing.F) {
	for _, model := range models {
		doc, err := os.ReadFile(filepath.Join("testdata", model, "schema.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Add([]byte(odd))
	f.Fuzz(func(t *testing.T, doc []byte) {
		files, err := gen.Generate(doc, "x2")
		if err != nil {
			if strings.Contains(err.Error(), "does not parse") {
				t.Error(err)
			}
			return
		}
		again, err := gen.Generate(json.RawMessage(files["schema.json"]), "x2")
		if err != nil || !bytes.Equal(files["client.go"], again["client.go"]) {
			t.Errorf("another package from its own schema: %v", err)
		}
	})
}
