package stages_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/stages"
)

// Every folder beside this file is a stage that ships.
func TestRegisterListsAll(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "internal" && e.Name() != "testdata" {
			want = append(want, e.Name())
		}
	}
	r := pipeline.NewRegistry()
	stages.Register(r)
	var got []string
	for _, kind := range r.Stages() {
		got = append(got, strings.ReplaceAll(kind, "_", ""))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}
