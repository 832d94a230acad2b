package exec_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/sinks/discard"
	"github.com/reactorpipe/reactorpipe/stages/exec"
)

// At the end of a run the frames that the program has in hand still reach the
// sink, and then it goes.
func TestDrainsWithAProgramInTheLine(t *testing.T) {
	clip, err := filepath.Abs("../../configs/street.mp4")
	if err != nil {
		t.Fatal(err)
	}
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	discard.Register(reg)
	exec.Register(reg)
	text := "max_in_flight: 4\nsources: {cam: {file: \"" + clip + "\", loop: true}}\nstages:\n- name: other\n  type: exec\n  config:\n    " +
		strings.ReplaceAll(command("measures", ""), "\n", "\n    ") + "\nsinks: [{name: gone, type: discard}]\n"
	spec, err := config.Parse("p.yaml", []byte(text), reg, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var written atomic.Uint64
	g, err := graph.Build(graph.Config{Spec: spec, OnWrite: func(_ string, f *pipeline.Frame, _ time.Time) {
		if _, ok := pipeline.GetFrom(f, "other", pipeline.Measurements); !ok {
			t.Errorf("frame %d comes without the program's answer", f.Seq)
		}
		if written.Add(1) == 5 {
			stop()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	st := g.Stats()
	entered, got := st.Sources[0].Out, written.Load()
	if got != entered || st.Stages[0].Out != entered || st.Stages[0].Errors > 0 {
		t.Errorf("%d frames got in, %d were written; the stage: %+v", entered, got, st.Stages[0])
	}
	pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	if !errors.Is(err, syscall.ECHILD) {
		t.Errorf("there is a process left: %d, %v", pid, err)
	}
}
