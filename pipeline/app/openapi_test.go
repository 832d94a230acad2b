package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// openAPIDocument is what the program says of its own port.
type openAPIDocument struct{ root map[string]any }

func readOpenAPI(t *testing.T) openAPIDocument {
	t.Helper()
	var d openAPIDocument
	if err := json.Unmarshal(openAPI, &d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

// dig follows keys and references.
func (d openAPIDocument) dig(v any, keys ...string) map[string]any {
	for _, k := range keys {
		m, _ := d.resolve(v).(map[string]any)
		v = m[k]
	}
	m, _ := d.resolve(v).(map[string]any)
	return m
}

func (d openAPIDocument) resolve(v any) any {
	m, _ := v.(map[string]any)
	ref, ok := m["$ref"].(string)
	if !ok {
		return v
	}
	return d.dig(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// operations are the document's, as patterns of routes.
func (d openAPIDocument) operations() (all []string) {
	for path, item := range d.dig(d.root, "paths") {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// check returns what is wrong with v, a value as encoding/json has it.
func (d openAPIDocument) check(schema, v any, at string) (wrong []string) {
	s := d.dig(schema)
	types := map[string]bool{}
	switch v := v.(type) {
	case nil:
		types["null"] = true
	case bool:
		types["boolean"] = true
	case string:
		types["string"] = true
	case float64:
		types["number"], types["integer"] = true, v == float64(int64(v))
	case []any:
		types["array"] = true
		for i, e := range v {
			wrong = append(wrong, d.check(s["items"], e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		types["object"] = true
		wrong = append(wrong, d.checkObject(s, v, at)...)
	}
	wanted, _ := s["type"].([]any)
	if want, ok := s["type"].(string); ok {
		wanted = []any{want}
	}
	if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(want any) bool { return types[want.(string)] }) {
		wrong = append(wrong, fmt.Sprintf("%s: %v is no %v", at, v, wanted))
	}
	if choices, ok := s["enum"].([]any); ok && !slices.Contains(choices, v) {
		wrong = append(wrong, fmt.Sprintf("%s: %v is none of %v", at, v, choices))
	}
	return wrong
}

func (d openAPIDocument) checkObject(s, v map[string]any, at string) (wrong []string) {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s.%s: is missing", at, name))
		}
	}
	properties := d.dig(s, "properties")
	for name, value := range v {
		switch more := s["additionalProperties"].(type) {
		case map[string]any:
			wrong = append(wrong, d.check(more, value, at+"."+name)...)
		case bool:
			if property, ok := properties[name]; ok {
				wrong = append(wrong, d.check(property, value, at+"."+name)...)
			} else if !more {
				wrong = append(wrong, fmt.Sprintf("%s.%s: is not in the document", at, name))
			}
		}
	}
	return wrong
}

// TestOpenAPIRoutes compares the document with what is served.
func TestOpenAPIRoutes(t *testing.T) {
	var served []string
	for _, r := range adminRoutes(newSupervisor(nil, nil), newMetrics(), false) {
		served = append(served, r.pattern)
	}
	slices.Sort(served)
	if diff := cmp.Diff(readOpenAPI(t).operations(), served); diff != "" {
		t.Error(diff)
	}
	if version := readOpenAPI(t).root["openapi"]; version != "3.1.0" {
		t.Errorf("OpenAPI %v, want 3.1.0", version)
	}
}

// TestOpenAPIFields compares each schema with what it stands for: the fields,
// and which of them are always there.
func TestOpenAPIFields(t *testing.T) {
	shapes := map[string]any{
		"PipelineList": pipelineList{}, "Pipeline": pipelineView{}, "Session": sessionView{}, "Node": nodeView{},
		"Figures": figures{}, "Frames": frameCounts{}, "Quantiles": quantiles{}, "Ledger": ledger{}, "Cause": pipeline.Cause{},
		"Effects": pipeline.Effects{}, "Command": commandRequest{}, "Reply": commandReply{}, "File": pipeline.FileRef{},
		"Problem": problem{}, "Changes": graph.Changes{}, "Mistake": mistake{}, "Report": report{}, "PipelineReport": pipelineReport{},
	}
	d := readOpenAPI(t)
	schemas := d.dig(d.root, "components", "schemas")
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if name == "CommandRecord" || name == "Effect" { // they write themselves; TestOpenAPIAnswers has them
			continue
		}
		shape, ok := shapes[name]
		if !ok {
			t.Errorf("%s stands for nothing here", name)
			continue
		}
		var required []string
		list, _ := d.dig(schemas, name)["required"].([]any)
		for _, r := range list {
			required = append(required, r.(string))
		}
		slices.Sort(required)
		fields, always := jsonFields(reflect.TypeOf(shape))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(d.dig(schemas, name, "properties"))), fields); diff != "" {
			t.Errorf("%s: properties: %s", name, diff)
		}
		if diff := cmp.Diff(required, always); diff != "" {
			t.Errorf("%s: required: %s", name, diff)
		}
	}
}

func jsonFields(shape reflect.Type) (fields, always []string) {
	for field := range shape.Fields() {
		tag, ok := field.Tag.Lookup("json")
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		fields = append(fields, name)
		if options == "" {
			always = append(always, name)
		}
	}
	slices.Sort(fields)
	slices.Sort(always)
	return fields, always
}

// client is somebody at the admin port who reads the document along.
type client struct {
	url      string
	document openAPIDocument
	asked    map[string]bool // operations
}

func newClient(t *testing.T, url string) *client {
	t.Helper()
	return &client{url: url, document: readOpenAPI(t), asked: make(map[string]bool)}
}

// do sends a request and returns status and answer, which must be as the
// document says.
func (c *client) do(t *testing.T, operation, path, body string, header ...string) (int, map[string]any) {
	t.Helper()
	method, pattern, _ := strings.Cut(operation, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	c.asked[operation] = true
	described := c.document.dig(c.document.root, "paths", pattern, strings.ToLower(method), "responses", fmt.Sprint(answer.StatusCode))
	if described == nil {
		t.Errorf("%s: status %d is not in the document: %s", operation, answer.StatusCode, text)
		return answer.StatusCode, nil
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	content := c.document.dig(described, "content", kind)
	if content == nil {
		t.Errorf("%s: content %q is not in the document", operation, kind)
	}
	var v map[string]any
	if kind != "application/json" {
		return answer.StatusCode, map[string]any{"text": string(text)}
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v in %s", operation, err, text)
	}
	for _, wrong := range c.document.check(content["schema"], v, operation) {
		t.Errorf("%s in %s", wrong, text)
	}
	return answer.StatusCode, v
}

// complete fails for operations that nobody asked for.
func (c *client) complete(t *testing.T) {
	t.Helper()
	for _, op := range c.document.operations() {
		if !c.asked[op] {
			t.Errorf("%s was not asked for", op)
		}
	}
}
