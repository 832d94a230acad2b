package sdk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// alone is a program that uses nothing but this package.
const alone = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/reactorpipe/reactorpipe/sdk"
)

func main() {
	s, err := sdk.Connect(context.Background(), sdk.Config{Local: true, BaseURL: os.Args[1]})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for m := range s.Messages(context.Background()) {
		fmt.Println(m.Type)
	}
}
`

// maxAlone is how large such a program may be, in bytes.
const maxAlone = 20 << 20

// TestAlone builds a program that uses this package alone: without cgo, and small.
func TestAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "alone")
	if err := os.WriteFile(source, []byte(alone), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	st, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() > maxAlone {
		t.Errorf("%d bytes, at most %d", st.Size(), maxAlone)
	}
	t.Logf("%.1f MB", float64(st.Size())/1e6)
	out, err := exec.CommandContext(t.Context(), program, "http://127.0.0.1:1").Output()
	if err != nil || !strings.Contains(string(out), "connection refused") {
		t.Errorf("it says %q, %v", out, err)
	}
}
