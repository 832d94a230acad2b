package graph_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

func TestWorkersRunSideBySideAndKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4)
		r.source("cam", 40)
		var busy, most atomic.Int32
		instances := 0
		r.stageOf("heavy", "cam", func(pipeline.Env) pipeline.Stage {
			instances++
			return pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error {
				most.Store(max(most.Load(), busy.Add(1)))
				defer busy.Add(-1)
				time.Sleep(time.Duration(1+(f.Seq*7)%5) * time.Millisecond)
				if f.Seq%10 == 9 {
					return pipeline.ErrDrop
				}
				return edit(f, byte(f.Seq+1))
			})
		}, func(s *config.Stage) { s.Workers = 3 })
		var got seen[uint64]
		r.sink("out", "heavy", func(_ context.Context, f *pipeline.Frame) error {
			if valueOf(f) != byte(f.Seq+1) {
				t.Errorf("frame %d was not worked on", f.Seq)
			}
			got.add(f.Seq)
			return nil
		})
		r.run(t.Context())
		var want []uint64
		for _, seq := range count(0, 40) {
			if seq%10 != 9 {
				want = append(want, seq)
			}
		}
		if diff := cmp.Diff(want, got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if instances != 3 || most.Load() != 3 {
			t.Errorf("%d instances, %d at once", instances, most.Load())
		}
	})
}

func TestWhatWaitsForWorkersIsGivenUpWhenTimeIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 40)
		r.source("file", 0)
		r.cfg.Drain = 10 * period
		var began seen[time.Time]
		r.stage("heavy", "file", func(context.Context, *pipeline.Frame) error {
			began.add(time.Now())
			time.Sleep(period * 3 / 4)
			return nil
		}, func(s *config.Stage) { s.Workers = 2 })
		r.sink("out", "heavy", through)
		ctx, cancel := context.WithTimeout(t.Context(), 10*period)
		defer cancel()
		begun := time.Now()
		st := r.run(ctx)
		patience := 8 * period
		for _, at := range began.all() {
			if after := at.Sub(begun) - 10*period; after > patience {
				t.Errorf("a call began %s after the end", after)
			}
		}
		if s := st.Stages[0]; s.Dropped["drain"] == 0 || s.Dropped["deadline"] != 0 || s.Skipped["bypassed"] != 0 {
			t.Errorf("dropped %v, skipped %v", s.Dropped, s.Skipped)
		}
	})
}

func TestRatedWorkersHoldResults(t *testing.T) {
	r := newRig(t, 4)
	r.source("cam", 6)
	r.stage("look", "cam", sequence, func(s *config.Stage) { s.Rate, s.Workers = 12.5, 2 })
	got := r.results("look", "look")
	r.run(t.Context())
	var values []int
	for _, c := range got.all() {
		values = append(values, c.Value)
	}
	if diff := cmp.Diff([]int{100, 100, 102, 102, 104, 104}, values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// hanging is a stage whose calls on some frames do not return until they are
// let go.
type hanging struct {
	on       func(seq uint64) bool
	release  chan struct{}
	deadline atomic.Int64
	ended    atomic.Int32 // calls whose context ended
	seen     seen[uint64]
}

func (h *hanging) Process(ctx context.Context, f *pipeline.Frame) error {
	if !h.on(f.Seq) {
		h.seen.add(f.Seq)
		return nil
	}
	if d, ok := ctx.Deadline(); ok {
		h.deadline.Store(int64(time.Until(d)))
	}
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		h.ended.Add(1)
	}
	<-h.release
	pipeline.Set(f, counted, 1) // the frame is still the stage's
	return edit(f, 255)
}

func TestACallThatOutlastsItsDeadlineIsBypassed(t *testing.T) {
	for _, workers := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 2)
			r.camera("cam", 500)
			h := &hanging{release: make(chan struct{}), on: func(seq uint64) bool { return seq >= 10 && seq < 10+uint64(workers) }}
			r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return h }, func(s *config.Stage) { s.Workers = workers })
			got := r.collect("out", "look")
			go func() {
				time.Sleep(10 * time.Second)
				close(h.release)
			}()
			st := r.run(t.Context())
			stage := st.Stages[0]
			if stage.Hanging {
				t.Error("the stage hangs, though its calls have returned")
			}
			if n := int(h.ended.Load()); n != workers {
				t.Errorf("%d contexts ended by their deadline, want %d", n, workers)
			}
			if d := time.Duration(h.deadline.Load()); d != 5*time.Second {
				t.Errorf("the context's deadline was %s off", d)
			}
			if stage.Dropped["deadline"] != uint64(workers) {
				t.Errorf("dropped: %v", stage.Dropped)
			}
			// From 5.4 s to 10 s all frames pass; until then the line stands.
			if n := stage.Skipped["bypassed"]; n < 100 || n > 120 {
				t.Errorf("%d frames passed the stage by", n)
			}
			all, looked := got.all(), h.seen.all()
			if looked[len(looked)-1] != 499 || all[len(all)-1] != 499 || len(looked) < 200 {
				t.Errorf("the stage did not come back: %d frames looked at", len(looked))
			}
			for _, seq := range all {
				if h.on(seq) {
					t.Errorf("frame %d was written", seq)
				}
			}
			if uint64(len(all))+uint64(workers) != st.Sources[0].Out {
				t.Errorf("%d frames entered, %d written", st.Sources[0].Out, len(all))
			}
		})
	}
}

func TestAnAsyncCallThatHangsHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 500)
		h := &hanging{release: make(chan struct{}), on: func(seq uint64) bool { return seq == 10 }}
		r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return h }, func(s *config.Stage) { s.Async = true })
		got := r.collect("out", "look")
		go func() {
			time.Sleep(10 * time.Second)
			close(h.release)
		}()
		st := r.run(t.Context())
		if diff := cmp.Diff(count(0, 500), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := st.Stages[0].Dropped["deadline"]; n != 1 {
			t.Errorf("%d calls given up", n)
		}
	})
}

func TestErrorsOfAStage(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name    string
		onError string
		err     error
		want    int // frames written of 10, all but the first of which fail
		run     string
		dropped map[string]uint64
	}{
		{"dropped", "drop", boom, 1, "", map[string]uint64{"error": 9}},
		{"passed on", "pass", boom, 10, "", map[string]uint64{}},
		{"silent", "drop", pipeline.ErrDrop, 1, "", map[string]uint64{"stage": 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.source("cam", 10)
			r.stage("bad", "cam", func(_ context.Context, f *pipeline.Frame) error {
				if f.Seq == 0 {
					return nil
				}
				return tt.err
			}, func(s *config.Stage) { s.OnError = tt.onError })
			got := r.collect("out", "bad")
			st := r.run(t.Context())
			if n := len(got.all()); n != tt.want {
				t.Errorf("%d frames written, want %d", n, tt.want)
			}
			if diff := cmp.Diff(tt.dropped, st.Stages[0].Dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsThatEndTheRun(t *testing.T) {
	fail := func(err error) func(context.Context, *pipeline.Frame) error {
		return func(_ context.Context, f *pipeline.Frame) error {
			if f.Seq == 3 {
				return err
			}
			return nil
		}
	}
	fatal := errors.Join(pipeline.ErrFatal, errors.New("disk full"))
	tests := []struct {
		name  string
		build func(r *rig)
		want  string
	}{
		{"a stage's fatal error", func(r *rig) { r.stage("bad", "cam", fail(fatal)); r.sink("out", "bad", through) }, "stage \"bad\": fatal\ndisk full"},
		{"a stage that is to stop", func(r *rig) {
			r.stage("bad", "cam", fail(errors.New("boom")), func(s *config.Stage) { s.OnError = "stop" })
			r.sink("out", "bad", through)
		}, `stage "bad": boom`},
		{"a sink's fatal error", func(r *rig) { r.sink("bad", "cam", fail(fatal)) }, "sink \"bad\": fatal\ndisk full"},
		{"a sink that is to stop", func(r *rig) {
			r.sink("bad", "cam", fail(errors.New("boom")), func(s *config.Sink) { s.OnError = "stop" })
		}, `sink "bad": boom`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.source("cam", 0)
			tt.build(r)
			err := r.build().Run(t.Context())
			if err == nil || err.Error() != tt.want {
				t.Errorf("Run: %v, want %s", err, tt.want)
			}
		})
	}
}

func TestAPanicIsAnErrorThatNamesTheNode(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 5)
	r.stage("bad", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq == 1 {
			panic("index out of range")
		}
		return nil
	})
	r.sink("worse", "bad", func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq == 2 {
			panic("nil map")
		}
		return nil
	})
	st := r.run(t.Context())
	if s := st.Stages[0]; s.Panics != 1 || s.Errors != 1 || s.Dropped["panic"] != 1 || s.Out != 4 {
		t.Errorf("stage: %+v", s)
	}
	if s := st.Sinks[0]; s.Panics != 1 || s.Out != 3 {
		t.Errorf("sink: %+v", s)
	}
	log := strings.Join(r.log.lines(), "")
	if !strings.Contains(log, `msg=panicked node=bad err="panic: index out of range" seq=1 stack=`) {
		t.Errorf("log:\n%s", log)
	}
}

func TestErrorsAreLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 60)
		r.stage("bad", "cam", func(context.Context, *pipeline.Frame) error { return errors.New("boom") })
		r.sink("out", "bad", through)
		st := r.run(t.Context())
		if st.Stages[0].Errors != 60 {
			t.Errorf("%d errors counted", st.Stages[0].Errors)
		}
		var got []string
		for _, l := range r.log.lines() {
			_, l, _ = strings.Cut(strings.TrimSpace(l), "msg=")
			got = append(got, l)
		}
		want := []string{
			`failed node=bad err=boom seq=0`,
			`failed node=bad err=boom seq=25 suppressed=24`,
			`failed node=bad err=boom seq=50 suppressed=24`,
			`"more errors" node=bad suppressed=9`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}
