package examples_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A program in Python measures, and paints.
func TestExec(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	usePythonWithNumPy(t)
	lookAtSources(t)
	out := t.TempDir()
	program := filepath.Join(out, "reactorpipe")
	pipeline, err := filepath.Abs("exec/pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run(t, ".", "go", "build", "-buildvcs=false", "-o", program, "../cmd/reactorpipe")
	run(t, out, program, "run", pipeline, "--frames", "20", "--admin", "off")
	run(t, "exec", program, "test")
	text, err := os.ReadFile(filepath.Join(out, "out", "light.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if len(lines) != 20 {
		t.Errorf("%d frames came through, want 20", len(lines))
	}
	var last line
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
		t.Fatal(err)
	}
	var measured struct{ Light, Changed float64 }
	if err := json.Unmarshal(last.Annotations["light"]["measurements"], &measured); err != nil {
		t.Fatal(err)
	}
	if measured.Light <= 0 || measured.Light >= 1 || measured.Changed <= 0 {
		t.Errorf("measured %+v in a street by day", measured)
	}
}

// usePythonWithNumPy puts an interpreter that has NumPy in front of the path.
func usePythonWithNumPy(t *testing.T) {
	t.Helper()
	for _, path := range []string{os.Getenv("PATH"), "/usr/bin:" + os.Getenv("PATH")} {
		t.Setenv("PATH", path)
		if exec.CommandContext(t.Context(), "python3", "-c", "import numpy").Run() == nil {
			return
		}
	}
	t.Skip("no python3 here has NumPy")
}
