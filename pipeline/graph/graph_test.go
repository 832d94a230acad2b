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

// counted is a kind of annotation for tests.
var counted = pipeline.NewKind[int]("counted", nil)

func set(v int) pipeline.StageFunc {
	return func(_ context.Context, f *pipeline.Frame) error {
		pipeline.Set(f, counted, v)
		return nil
	}
}

func TestFramesPassInOrder(t *testing.T) {
	r := newRig(t, 2)
	source := r.source("cam", 100)
	r.stage("a", "cam", set(1))
	r.stage("b", "a", through)
	got := r.collect("out", "b")
	st := r.run(t.Context())
	if diff := cmp.Diff(count(0, 100), got.all()); diff != "" {
		t.Errorf("frames written (-want +got):\n%s", diff)
	}
	if source.closed.Load() != 1 {
		t.Error("the source was not closed once")
	}
	if st.Sources[0].Out != 100 || st.Stages[1].Out != 100 || st.Sinks[0].Out != 100 {
		t.Errorf("counts: %+v", st)
	}
}

func TestFanOutSharesPixelsAndEditsArePrivate(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 20)
	r.stage("draw", "cam", func(_ context.Context, f *pipeline.Frame) error { return edit(f, 255) })
	check := func(want func(seq uint64) byte) func(context.Context, *pipeline.Frame) error {
		return func(_ context.Context, f *pipeline.Frame) error {
			if got := valueOf(f); got != want(f.Seq) {
				return fmt.Errorf("pixel %d, want %d", got, want(f.Seq))
			}
			return nil
		}
	}
	r.sink("drawn", "draw", check(func(uint64) byte { return 255 }))
	r.sink("plain", "cam", check(func(seq uint64) byte { return byte(seq) }))
	st := r.run(t.Context())
	for _, s := range st.Sinks {
		if s.Out != 20 || s.Errors != 0 {
			t.Errorf("sink %s: %d written, %d errors", s.Name, s.Out, s.Errors)
		}
	}
	for _, l := range r.log.lines() {
		t.Log(l)
	}
}

func TestFanInIsAZip(t *testing.T) {
	r := newRig(t, 3)
	r.source("cam", 12)
	r.stage("draw", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq%4 == 3 {
			return pipeline.ErrDrop
		}
		return edit(f, 200)
	})
	r.stage("look", "cam", func(_ context.Context, f *pipeline.Frame) error {
		pipeline.Set(f, counted, int(f.Seq))
		if f.Seq%4 == 1 {
			return pipeline.ErrDrop // contributes what it had set
		}
		return nil
	})
	r.stage("join", "draw", through, func(s *config.Stage) { s.With = []string{"look"} })
	var got seen[uint64]
	r.sink("out", "join", func(_ context.Context, f *pipeline.Frame) error {
		n, ok := pipeline.GetFrom(f, "look", counted)
		if !ok || n != int(f.Seq) || valueOf(f) != 200 {
			t.Errorf("frame %d: annotation %d %v, pixel %d", f.Seq, n, ok, valueOf(f))
		}
		got.add(f.Seq)
		return nil
	})
	r.run(t.Context())
	want := []uint64{0, 1, 2, 4, 5, 6, 8, 9, 10} // draw, the first input, dropped 3, 7, 11
	if diff := cmp.Diff(want, got.all()); diff != "" {
		t.Errorf("frames written (-want +got):\n%s", diff)
	}
}

func TestDroppedFramesTravelUntouched(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 10)
	var second seen[uint64]
	r.stage("odd", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq%2 == 0 {
			return pipeline.ErrDrop
		}
		return nil
	})
	r.stage("next", "odd", func(_ context.Context, f *pipeline.Frame) error {
		second.add(f.Seq)
		return nil
	})
	got := r.collect("out", "next")
	st := r.run(t.Context())
	want := []uint64{1, 3, 5, 7, 9}
	if diff := cmp.Diff([][]uint64{want, want}, [][]uint64{second.all(), got.all()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if st.Stages[1].In != 10 || st.Stages[1].Out != 5 || st.Stages[0].Dropped["stage"] != 5 || st.Stages[0].Errors != 0 {
		t.Errorf("counts: %+v", st.Stages)
	}
}

func TestALiveSourceDropsAtTheEntrance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 50)
		r.stage("slow", "cam", func(context.Context, *pipeline.Frame) error {
			time.Sleep(2*period + period/2)
			return nil
		})
		got := r.collect("out", "slow")
		st := r.run(t.Context())
		cam := st.Sources[0]
		if cam.In != 50 || cam.Dropped["no_slot"] == 0 || cam.Out+cam.Dropped["no_slot"] != 50 {
			t.Errorf("source: %+v", cam)
		}
		if n := len(got.all()); uint64(n) != cam.Out || n < 18 || n > 25 {
			t.Errorf("%d frames written of %d that entered", n, cam.Out)
		}
		if top := st.Latency.Max; top > 5*period+period/2 {
			t.Errorf("latency up to %s: more than in flight times the slowest stage", top)
		}
	})
}

func TestASourceThatIsNotLiveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.source("file", 20)
		r.stage("slow", "file", func(context.Context, *pipeline.Frame) error {
			time.Sleep(time.Second)
			return nil
		})
		got := r.collect("out", "slow")
		r.run(t.Context())
		if diff := cmp.Diff(count(0, 20), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestMaxFramesEndsTheRun(t *testing.T) {
	r := newRig(t, 2)
	source := r.source("cam", 0)
	got := r.collect("out", "cam")
	r.cfg.MaxFrames = 7
	r.run(t.Context())
	if diff := cmp.Diff(count(0, 7), got.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if source.n != 7 {
		t.Errorf("%d frames were read", source.n)
	}
}

func TestASourcesErrorEndsTheRun(t *testing.T) {
	r := newRig(t, 2)
	broken := errors.New("session lost")
	r.source("cam", 3).fail = broken
	got := r.collect("out", "cam")
	err := r.build().Run(t.Context())
	if !errors.Is(err, broken) || err.Error() != `source "cam": session lost` {
		t.Errorf("Run: %v", err)
	}
	if diff := cmp.Diff(count(0, 3), got.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBuildTellsAllMistakesAndClosesWhatItMade(t *testing.T) {
	r := newRig(t, 2)
	source := r.source("cam", 1)
	sink := r.sink("good", "cam", through)
	r.stage("a", "cam", through, func(s *config.Stage) {
		s.Type.Build = func(pipeline.Env, any) (pipeline.Stage, error) { return nil, errors.New("load x.onnx: no such file") }
	})
	r.addSink("b", "a", nil, func(s *config.Sink) {
		s.Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) { return nil, errors.New("listen: in use") }
	})
	_, err := r.tryBuild()
	want := "p.yaml:7: stage \"a\": load x.onnx: no such file\np.yaml:9: sink \"b\": listen: in use"
	if err == nil || err.Error() != want {
		t.Errorf("Build: %v\nwant: %s", err, want)
	}
	if source.closed.Load() != 1 || sink.closed.Load() != 1 {
		t.Error("what was made was not closed once")
	}
}

func TestCloseWithoutRun(t *testing.T) {
	r := newRig(t, 2)
	source := r.source("cam", 1)
	sink := r.sink("out", "cam", through)
	g := r.build()
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if source.closed.Load() != 1 || sink.closed.Load() != 1 {
		t.Error("not closed once")
	}
	if err := g.Run(t.Context()); err == nil {
		t.Error("a closed graph ran")
	}
}

func TestASinkReadsNoPixelsItHoldsNone(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 5)
	r.sink("events", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Image() != nil {
			t.Error("the queue held pixels")
		}
		return nil
	}, func(s *config.Sink) { s.Pixels = pipeline.Pixels{} })
	r.run(t.Context())
}
