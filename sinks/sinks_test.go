package sinks_test

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks"
)

// Every folder beside this file is a sink that ships.
func TestRegisterListsAll(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "internal" {
			want = append(want, e.Name())
		}
	}
	slices.Sort(want)
	r := pipeline.NewRegistry()
	sinks.Register(r)
	if diff := cmp.Diff(r.Sinks(), want); diff != "" {
		t.Error(diff)
	}
}
