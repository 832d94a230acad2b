// Package examples_test builds the examples as their readers do, and runs them.
package examples_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A module of its own, with a replace, tests its stage, builds, and its pipeline
// runs on a file.
func TestCustomStage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	lookAtSources(t)
	module, err := filepath.Abs("customstage")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	program := filepath.Join(out, "customstage")
	run(t, module, "go", "vet", "./...")
	run(t, module, "go", "test", "./...")
	run(t, module, "go", "build", "-buildvcs=false", "-o", program, ".")

	pipeline := filepath.Join(module, "pipeline.yaml")
	run(t, out, program, "validate", pipeline)
	run(t, out, program, "run", pipeline, "--frames", "20", "--admin", "off")

	first := firstLine(t, filepath.Join(out, "out", "spots.jsonl"))
	if _, ok := first.Annotations["spot"]["detections"]; !ok {
		t.Errorf("the first frame has the annotations %v, want detections of spot", first.Annotations)
	}

	var schema struct {
		Definitions map[string]struct {
			Properties map[string]struct {
				Default any `json:"default"`
			} `json:"properties"`
		} `json:"definitions"`
	}
	if err := json.Unmarshal(run(t, out, program, "schema"), &schema); err != nil {
		t.Fatal(err)
	}
	if got := schema.Definitions["stage.brightest"].Properties["size"].Default; got != 31. {
		t.Errorf("the schema has %v for the size of a spot, want 31", got)
	}
}

// The examples that are packages of this module build and run by the commands
// of their pipelines.
func TestPipelines(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	lookAtSources(t)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"text": "a street", "score": 1}`)
	}))
	t.Cleanup(service.Close)
	tests := []struct {
		example, kind string
		args          []string
	}{
		{"lookback", "measurements", nil},
		{"caption", "texts", []string{"--set", "words.config.url=" + service.URL}},
	}
	for _, tt := range tests {
		t.Run(tt.example, func(t *testing.T) {
			out := t.TempDir()
			pipeline, err := filepath.Abs(filepath.Join(tt.example, "pipeline.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(out, tt.example)
			run(t, tt.example, "go", "build", "-buildvcs=false", "-o", program, ".")
			run(t, out, program, append([]string{"run", pipeline, "--frames", "50", "--admin", "off"}, tt.args...)...)
			text, err := os.ReadFile(filepath.Join(out, "out", tt.example+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), `"`+tt.kind+`":`) {
				t.Errorf("no %s in %s", tt.kind, text)
			}
		})
	}
}

type line struct {
	Annotations map[string]map[string]json.RawMessage `json:"annotations"`
}

func firstLine(t *testing.T, path string) line {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := bytes.Cut(file, []byte("\n"))
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return l
}

// run returns what a program prints in a folder, and ends the test if it fails.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return output
}

// lookAtSources has the go command run this test again when any source changes:
// what other programs read it cannot see.
func lookAtSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && len(d.Name()) > 2 && d.Name()[0] == '.' {
			return fs.SkipDir
		}
		if !d.IsDir() {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
