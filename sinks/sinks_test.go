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

// Each kind has the queue that suits what it does: a live picture the newest
// frame, a recording a second of them, results many, without pixels.
func TestQueues(t *testing.T) {
	r := pipeline.NewRegistry()
	sinks.Register(r)
	for kind, depth := range map[string]int{
		"preview": 1, "publish": 1, "record": 30, "jsonl": 1024, "command": 1024, "webhook": 1024,
	} {
		k, ok := r.Sink(kind)
		want := pipeline.Queue{Depth: depth, OnFull: pipeline.DropOldest}
		if !ok || k.Queue != want {
			t.Errorf("%s: queue %+v, want %+v", kind, k.Queue, want)
		}
		if depth == 1024 && k.Pixels != (pipeline.Pixels{}) {
			t.Errorf("%s: a thousand frames wait with their pixels", kind)
		}
	}
}
