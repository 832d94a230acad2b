package graph_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// traced keeps the records of the frames' ways, in short: by sequence number,
// each part with how long it took.
func (r *rig) traced() map[uint64][]string {
	var ended seen[*pipeline.Trace]
	r.cfg.OnTrace = ended.add
	r.run(r.t.Context())
	ways := make(map[uint64][]string)
	for _, t := range ended.all() {
		if ways[t.Meta.Seq] != nil {
			r.t.Errorf("frame %d ended twice", t.Meta.Seq)
		}
		for _, s := range t.Spans() {
			line := fmt.Sprintf("%s %s %s", s.Kind, s.Name, s.End.Sub(s.Begin))
			if s.Dropped != "" {
				line += ", dropped: " + s.Dropped
			}
			if s.Err != nil {
				line += ", error: " + s.Err.Error()
			}
			ways[t.Meta.Seq] = append(ways[t.Meta.Seq], line)
		}
	}
	return ways
}

func takes(d time.Duration, then pipeline.StageFunc) pipeline.StageFunc {
	return func(ctx context.Context, f *pipeline.Frame) error {
		time.Sleep(d)
		return then(ctx, f)
	}
}

// fails is a stage that each frame ends at in its own way.
func fails(_ context.Context, f *pipeline.Frame) error {
	switch f.Seq {
	case 1:
		return pipeline.ErrDrop
	case 2:
		return errors.New("too dark")
	case 3:
		panic("no hat")
	}
	return nil
}

const ms = time.Millisecond

func TestTraceOfALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.source("cam", 4)
		r.stage("look", "cam", takes(3*ms, fails))
		r.stage("draw", "look", takes(2*ms, through))
		r.sink("out", "draw", takes(5*ms, through))
		want := map[uint64][]string{
			0: {"queue cam 0s", "queue look 0s", "stage look 3ms", "queue draw 0s", "stage draw 2ms", "queue out 0s", "sink out 5ms"},
			1: {"queue cam 5ms", "queue look 0s", "stage look 3ms, dropped: stage", "queue draw 0s"},
			2: {"queue cam 3ms", "queue look 0s", "stage look 3ms, dropped: error, error: too dark", "queue draw 0s"},
			3: {"queue cam 3ms", "queue look 0s", "stage look 3ms, dropped: panic, error: panic: no hat", "queue draw 0s"},
		}
		if diff := cmp.Diff(want, r.traced()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// The way of a frame goes on through branches, queues and copies beside the line,
// and is over when the last of them is.
func TestTraceOfBranches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 2) // the second comes when the first is taken, everywhere
		r.stage("slow", "cam", takes(20*ms, fails), func(s *config.Stage) { s.Async = true })
		r.stage("quick", "cam", takes(1*ms, fails), func(s *config.Stage) { s.Workers = 2 })
		r.stage("both", "quick", through, func(s *config.Stage) { s.With = []string{"slow"} })
		r.sink("out", "both", takes(5*ms, through))
		want := []string{
			"queue cam 0s", "queue quick 0s", "queue slow 0s", "stage quick 1ms", "queue both 0s", "stage both 0s",
			"queue out 0s", "sink out 5ms", "stage slow 20ms",
		}
		got := r.traced()[0]
		// What happens at one time may be written in either order.
		if len(got) > 2 && got[1] == "queue slow 0s" {
			got[1], got[2] = got[2], got[1]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestTraceOfFramesThatFindNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 3)
		r.stage("slow", "cam", takes(period*3/2, through))
		r.sink("out", "slow", through)
		got := r.traced()
		if diff := cmp.Diff([]string{"source cam 0s, dropped: no_slot"}, got[1]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(got) != 3 {
			t.Errorf("%d traces: %v", len(got), got)
		}
	})
}

func TestTraceOfWhatASinkHasNoRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 4)
		r.sink("out", "cam", takes(time.Second, func(_ context.Context, f *pipeline.Frame) error {
			if f.Seq == 3 {
				return errors.New("disk full")
			}
			return nil
		}), func(s *config.Sink) { s.Queue = &pipeline.Queue{Depth: 1, OnFull: pipeline.DropNewest} })
		lost := 0
		for seq, way := range r.traced() {
			switch last := way[len(way)-1]; last {
			case "sink out 1s", "sink out 1s, dropped: error, error: disk full":
			case "sink out 0s, dropped: queue_full":
				lost++
			default:
				t.Errorf("frame %d: %v", seq, way)
			}
		}
		if lost == 0 {
			t.Error("nothing was thrown away")
		}
	})
}

// A call that outlasts its deadline ends its frame's way there, in line and
// beside it.
func TestTraceOfACallThatHangs(t *testing.T) {
	for _, way := range []struct {
		name  string
		adapt func(*config.Stage)
	}{
		{"in line", func(*config.Stage) {}},
		{"with workers", func(s *config.Stage) { s.Workers = 2 }},
		{"async", func(s *config.Stage) { s.Async = true }},
	} {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 1)
				r.camera("cam", 2)
				r.stage("deaf", "cam", takes(7*time.Second, through), way.adapt)
				r.sink("out", "deaf", through)
				got := r.traced()[0]
				found := false
				for _, line := range got {
					found = found || line == "stage deaf 5s, dropped: deadline, error: the call outlasted its deadline"
				}
				if !found {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

// A frame that somebody keeps for later is over all the same.
func TestTraceEndsWithoutKeeps(t *testing.T) {
	if framecheck {
		t.Skip("the stage keeps frames to its end")
	}
	r := newRig(t, 1)
	r.source("cam", 2)
	var kept []*pipeline.Frame
	r.stage("hoard", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Trace() == nil {
			t.Error("no trace")
		}
		kept = append(kept, f.Keep())
		return nil
	})
	r.sink("out", "hoard", through)
	if got := r.traced(); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	for _, k := range kept {
		if k.Trace() != nil {
			t.Error("a Keep has the trace")
		}
		if err := k.Release(); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsTracedUnlessAsked(t *testing.T) {
	r := newRig(t, 1)
	r.source("cam", 1)
	r.stage("look", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Trace() != nil {
			t.Error("a trace that nobody asked for")
		}
		return nil
	})
	r.sink("out", "look", through)
	r.run(t.Context())
}
