package sessiontest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// The surface of a public model, taken over, is the same to a client.
func TestModelFromSchema(t *testing.T) {
	documents, err := filepath.Glob("../gen/testdata/*/schema.json")
	if err != nil || len(documents) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, path := range documents {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			document, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := sessiontest.ModelFromSchema(document)
			if err != nil {
				t.Fatal(err)
			}
			srv := sessiontest.New(t, m)
			var compact bytes.Buffer
			if err := json.Compact(&compact, document); err != nil {
				t.Fatal(err)
			}
			theirs, err := sdk.ParseSchema(compact.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			ours, err := sdk.ParseSchema(json.RawMessage(asJSON(t, srv.Schema())))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(theirs, ours, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestModelFromSchemaRefusals(t *testing.T) {
	for _, tt := range []struct{ document, want string }{
		{`[]`, "schema: json: cannot unmarshal array into Go value of type sessiontest.document"},
		{`{"x-reactor":{"tracks":[{"name":"a","kind":"smell"}]}}`, `tracks[0]: kind: must be video or audio, got "smell"`},
		{`{"paths":{"/events/c":{"post":{"requestBody":{"content":{"application/json":{"schema":{"properties":{"x":{"type":"blob"}}}}}}}}}}`, `schema: command "c": x: unknown type "blob"`},
		{`{"paths":{"/events/c":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/X"}}}}}}}}`, `schema: command "c": "#/components/schemas/X" leads nowhere`},
	} {
		_, err := sessiontest.ModelFromSchema([]byte(tt.document))
		if err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func FuzzModelFromSchema(f *testing.F) {
	documents, err := filepath.Glob("../gen/testdata/*/schema.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range documents {
		document, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(document)
	}
	f.Add([]byte(`{"components":{"schemas":{"A":{"properties":{"a":{"$ref":"A"}}}}},"paths":{"/events/c":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"A"}}}}}}}}`))
	f.Fuzz(func(_ *testing.T, document []byte) { _, _ = sessiontest.ModelFromSchema(document) })
}
