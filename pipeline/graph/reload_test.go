package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// dial is the configuration of a stage whose level may change as it runs.
type dial struct {
	Level   int `live:"true"`
	Size    int
	Caption expr.Template
	If      *expr.Program
}

// tuned is a stage with a dial, which it sets on every frame.
type tuned struct {
	dial
	refuse error
	frames int
	closed *atomic.Int32
}

func (s *tuned) Process(_ context.Context, f *pipeline.Frame) error {
	s.frames++
	pipeline.Set(f, counted, s.Level)
	return nil
}

func (s *tuned) Reconfigure(cfg dial) error {
	if s.refuse != nil {
		return s.refuse
	}
	s.dial = cfg
	return nil
}

func (s *tuned) Close() error {
	s.closed.Add(1)
	return nil
}

// tune adds a stage that takes other levels in place; built counts its instances.
func (r *rig) tune(name, from string, cfg dial, adapt ...func(*config.Stage)) (built, closed *atomic.Int32) {
	built, closed = new(atomic.Int32), new(atomic.Int32)
	reg := pipeline.NewRegistry()
	pipeline.RegisterStage(reg, pipeline.StageKind[dial]{Name: "tuned", New: func(_ pipeline.Env, cfg dial) (pipeline.Stage, error) {
		built.Add(1)
		if cfg.Size < 0 {
			return nil, errors.New("load model.onnx: no such file")
		}
		return &tuned{dial: cfg, closed: closed}, nil
	}})
	r.stage(name, from, nil, append(adapt, func(s *config.Stage) {
		s.Type, _ = reg.Stage("tuned")
		s.Config = &cfg
	})...)
	return built, closed
}

// version returns another version of the rig's file.
func (r *rig) version(change func(*config.Spec)) *config.Spec {
	s := r.spec
	s.Stages = append([]config.Stage(nil), s.Stages...)
	s.Sinks = append([]config.Sink(nil), s.Sinks...)
	change(&s)
	return &s
}

// running is a graph that runs beside the test.
type running struct {
	*graph.Graph
	stop func() error
}

// begin runs the graph until stop, with a camera that never ends.
func (r *rig) begin(t *testing.T) *running {
	t.Helper()
	g := r.build()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	time.Sleep(5*period + period/2)
	return &running{g, func() error { cancel(); return <-ended }}
}

// reload reloads and wants that to work.
func (g *running) reload(t *testing.T, spec *config.Spec) graph.Changes {
	t.Helper()
	did, err := g.Reload(t.Context(), spec)
	if err != nil {
		t.Errorf("Reload: %v", err)
	}
	time.Sleep(5 * period)
	return did
}

func (g *running) end(t *testing.T) {
	t.Helper()
	if err := g.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestALiveFieldChangesInPlace(t *testing.T) {
	for _, adapt := range []func(*config.Stage){
		func(*config.Stage) {},
		func(s *config.Stage) { s.Async = true },
		func(s *config.Stage) { s.Workers = 2 },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 2)
			r.camera("cam", 0)
			built, closed := r.tune("look", "cam", dial{Level: 1}, adapt)
			var levels seen[int]
			r.sink("out", "look", func(_ context.Context, f *pipeline.Frame) error {
				if level, ok := pipeline.GetFrom(f, "look", counted); ok {
					levels.add(level)
				}
				return nil
			})
			g := r.begin(t)
			instances := built.Load()
			did := g.reload(t, r.version(func(s *config.Spec) { s.Stages[0].Config = &dial{Level: 2} }))
			if diff := cmp.Diff(graph.Changes{Kept: []string{"out"}, Adjusted: []string{"look"}}, did); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if built.Load() != instances || closed.Load() != 0 {
				t.Errorf("%d built, %d closed", built.Load(), closed.Load())
			}
			if l := levels.all(); l[0] != 1 || l[len(l)-1] != 2 {
				t.Errorf("levels %v", l)
			}
			g.end(t)
			if closed.Load() != instances {
				t.Errorf("%d closed at the end", closed.Load())
			}
		})
	}
}

func TestAnotherFieldBuildsTheNodeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		built, closed := r.tune("look", "cam", dial{Level: 1})
		got := r.collect("out", "look")
		sink := r.spec.Sinks[0]
		g := r.begin(t)
		did := g.reload(t, r.version(func(s *config.Spec) { s.Stages[0].Config = &dial{Level: 1, Size: 2} }))
		if diff := cmp.Diff(graph.Changes{Kept: []string{"out"}, Rebuilt: []string{"look"}}, did); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if built.Load() != 2 || closed.Load() != 1 {
			t.Errorf("%d built, %d closed", built.Load(), closed.Load())
		}
		st := g.Stats()
		if st.Stages[0].In != st.Sources[0].Out {
			t.Errorf("the counts of %s begin anew: %d", sink.Name, st.Stages[0].In)
		}
		g.end(t)
		st = g.Stats()
		if diff := cmp.Diff(count(0, int(st.Sources[0].Out)), got.all()); diff != "" || st.Sources[0].Dropped["reload"] != 0 {
			t.Errorf("frames got lost though none came during the hold (-want +got):\n%s", diff)
		}
	})
}

// TestExpressionsAreComparedByTheirText: a file that is read again has compiled them
// anew.
func TestExpressionsAreComparedByTheirText(t *testing.T) {
	scope := &expr.Scope{}
	read := func(condition, caption string) *dial {
		template, err := expr.ParseTemplate(caption)
		if err != nil {
			t.Fatal(err)
		}
		if err := template.Check(scope); err != nil {
			t.Fatal(err)
		}
		return &dial{If: when(t, condition, scope), Caption: template}
	}
	for _, tt := range []struct {
		name, condition, caption string
		want                     graph.Changes
	}{
		{"the same", "frame.seq > 3", "frame {{ frame.seq }}", graph.Changes{Kept: []string{"look", "out"}}},
		{"another condition", "frame.seq > 4", "frame {{ frame.seq }}", graph.Changes{Kept: []string{"out"}, Rebuilt: []string{"look"}}},
		{"another template", "frame.seq > 3", "frame {{ frame.seq + 1 }}", graph.Changes{Kept: []string{"out"}, Rebuilt: []string{"look"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2)
				r.camera("cam", 0)
				r.tune("look", "cam", *read("frame.seq > 3", "frame {{ frame.seq }}"))
				r.collect("out", "look")
				g := r.begin(t)
				did := g.reload(t, r.version(func(s *config.Spec) { s.Stages[0].Config = read(tt.condition, tt.caption) }))
				if diff := cmp.Diff(tt.want, did); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				g.end(t)
			})
		})
	}
}

func TestNodesAreAddedRemovedAndMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		r.stage("a", "cam", set(1))
		r.stage("b", "a", through)
		got := r.collect("out", "b")
		gone := r.sink("gone", "a", through)
		g := r.begin(t)
		// c between a and out in the place of b, and a join of a.
		did := g.reload(t, r.version(func(s *config.Spec) {
			c := s.Stages[1]
			c.Name, c.With = "c", nil
			c.Type.Build = func(pipeline.Env, any) (pipeline.Stage, error) { return set(2), nil }
			s.Stages[1] = c
			s.Sinks = []config.Sink{s.Sinks[0]}
			s.Sinks[0].From, s.Sinks[0].With = "c", []string{"a"}
		}))
		want := graph.Changes{Kept: []string{"a"}, Adjusted: []string{"out"}, Added: []string{"c"}, Removed: []string{"b", "gone"}}
		if diff := cmp.Diff(want, did); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if gone.closed.Load() != 1 {
			t.Error("the removed sink was not closed")
		}
		g.reload(t, &r.spec) // and back
		g.end(t)
		st := g.Stats()
		if diff := cmp.Diff(count(0, int(st.Sources[0].Out)), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if gone.closed.Load() != 2 {
			t.Errorf("closed %d times", gone.closed.Load())
		}
	})
}

func TestTheKeysOfANodeChangeInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		var looks seen[uint64]
		r.stage("look", "cam", func(_ context.Context, f *pipeline.Frame) error {
			looks.add(f.Seq)
			pipeline.Set(f, counted, int(f.Seq))
			return nil
		})
		got := r.collect("out", "look")
		g := r.begin(t)
		did := g.reload(t, r.version(func(s *config.Spec) {
			s.Stages[0].Rate, s.Stages[0].TTL, s.Stages[0].Deadline = 5, 3*period, time.Second
			s.Sinks[0].When, s.Sinks[0].Cooldown = when(t, "frame.seq >= 8", &expr.Scope{}), 2*period
		}))
		if diff := cmp.Diff([]string{"look", "out"}, did.Adjusted); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		g.end(t)
		if l := looks.all(); len(l) > 8 {
			t.Errorf("rate: looked at %v", l)
		}
		if diff := cmp.Diff([]uint64{0, 1, 2, 3, 4, 5, 8, 10}, got.all()); diff != "" {
			t.Errorf("when and cooldown (-want +got):\n%s", diff)
		}
	})
}

func TestAnAsyncCallGoesOnThroughAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		r.stage("look", "cam", func(ctx context.Context, f *pipeline.Frame) error {
			time.Sleep(3 * period)
			pipeline.Set(f, counted, int(f.Seq))
			return ctx.Err()
		}, func(s *config.Stage) { s.Async = true })
		got := r.results("look", "look")
		g := r.begin(t)
		g.reload(t, r.version(func(s *config.Spec) { s.Stages[0].TTL = time.Minute }))
		g.end(t)
		if n := len(got.all()); n < 5 {
			t.Errorf("%d frames carry a result", n)
		}
	})
}

func TestAnAsyncCallIsNotGivenUpForAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		r.stage("look", "cam", func(ctx context.Context, _ *pipeline.Frame) error {
			time.Sleep(2 * time.Second)
			return ctx.Err()
		}, func(s *config.Stage) { s.Async = true })
		r.stage("slow", "look", func(context.Context, *pipeline.Frame) error { time.Sleep(2 * time.Second); return nil })
		g := r.begin(t)
		_, err := g.Reload(t.Context(), r.version(func(s *config.Spec) { s.Stages[1].TTL = time.Minute }))
		if err != nil {
			t.Error(err)
		}
		g.end(t)
		st := g.Stats()
		if look, slow := st.Stages[0].Dropped, st.Stages[1].Dropped; look["deadline"] != 0 || slow["deadline"] != 1 {
			t.Errorf("dropped by look %v, by slow %v", look, slow)
		}
	})
}

func TestAnAsyncCallEndsWithItsStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		waits := &waits{closed: make(chan struct{})}
		r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return waits }, func(s *config.Stage) {
			s.Async, s.OnError, s.Deadline = true, "stop", time.Hour
		})
		g := r.begin(t)
		did := g.reload(t, r.version(func(s *config.Spec) {
			s.Stages[0].Config = &dial{}
			s.Stages[0].Type.Build = func(pipeline.Env, any) (pipeline.Stage, error) { return pipeline.StageFunc(through), nil }
		}))
		if diff := cmp.Diff([]string{"look"}, did.Rebuilt); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		select {
		case <-waits.closed:
		default:
			t.Error("the stage is still there")
		}
		g.end(t)
		if st := g.Stats().Stages[0]; st.Errors != 0 || len(r.log.lines()) != 0 {
			t.Errorf("%d errors, log %q", st.Errors, r.log.lines())
		}
	})
}

// waits is a stage whose calls last until they are cancelled.
type waits struct{ closed chan struct{} }

func (*waits) Process(ctx context.Context, _ *pipeline.Frame) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *waits) Close() error {
	close(s.closed)
	return nil
}

func TestASinkThatIsReplacedFinishesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		var told seen[string]
		slow := 3 * period
		r.sink("video", "cam", nil)
		open := func(name string) func(pipeline.Env, any) (pipeline.Sink, error) {
			return func(pipeline.Env, any) (pipeline.Sink, error) {
				return &namedSink{name: name, told: &told, slow: slow}, nil
			}
		}
		r.spec.Sinks[0].Config, r.spec.Sinks[0].Type.Build = &dial{}, open("old")
		g := r.begin(t)
		g.reload(t, r.version(func(s *config.Spec) {
			s.Sinks[0].Config, s.Sinks[0].Type.Build = &dial{Size: 1}, open("new")
		}))
		g.end(t)
		log := told.all()
		closed := -1
		for i, line := range log {
			if line == "old closed" {
				closed = i
			}
			if strings.HasPrefix(line, "new") && closed < 0 {
				t.Errorf("%q before the old one was closed", line)
			}
			if line != "old closed" && line != "new closed" && !strings.HasSuffix(line, fmt.Sprint(i-min(1, closed+1))) {
				t.Errorf("line %d is %q: a frame is missing", i, line)
			}
		}
		if closed < 0 || log[len(log)-1] != "new closed" {
			t.Errorf("%q", log)
		}
	})
}

func TestASinkIsBusyOnlyWithWhatIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.cfg.Drain = 10 * time.Second
		r.camera("cam", 0)
		letGo := make(chan struct{})
		r.sink("out", "cam", func(context.Context, *pipeline.Frame) error { <-letGo; return nil },
			func(s *config.Sink) { s.Config = &dial{} })
		g := r.begin(t)
		g.reload(t, r.version(func(s *config.Spec) {
			s.Sinks[0].Config = &dial{Size: 1}
			s.Sinks[0].Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) { return &sinkFunc{write: through}, nil }
		}))
		time.Sleep(6 * time.Second)
		if st := g.Stats().Sinks[0]; !st.Busy || st.Hanging {
			t.Errorf("while the one before has time to finish: busy %t, hanging %t", st.Busy, st.Hanging)
		}
		time.Sleep(5 * time.Second)
		if st := g.Stats().Sinks[0]; st.Busy || st.Hanging {
			t.Errorf("after that: busy %t, hanging %t", st.Busy, st.Hanging)
		}
		close(letGo)
		g.end(t)
	})
}

// namedSink tells what it does.
type namedSink struct {
	name string
	told *seen[string]
	slow time.Duration
}

func (s *namedSink) Write(_ context.Context, f *pipeline.Frame) error {
	time.Sleep(s.slow)
	s.told.add(fmt.Sprintf("%s %d", s.name, f.Seq))
	return nil
}

func (s *namedSink) Close() error {
	s.told.add(s.name + " closed")
	return nil
}

func TestABadVersionChangesNothing(t *testing.T) {
	tests := []struct {
		name   string
		change func(*config.Spec)
		want   string
	}{
		{
			"a stage that cannot be made", func(s *config.Spec) { s.Stages[0].Config = &dial{Size: -1} },
			`p.yaml:7: stage "look": load model.onnx: no such file`,
		},
		{"a stage that panics as it is made", func(s *config.Spec) {
			s.Stages[0].Config = &dial{Size: 3}
			s.Stages[0].Type.Build = func(pipeline.Env, any) (pipeline.Stage, error) { panic("oh") }
		}, `p.yaml:7: stage "look": panic: oh`},
		{"a sink that cannot be made", func(s *config.Spec) {
			s.Sinks[0].Config = &dial{}
			s.Sinks[0].Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) { return nil, errors.New("path: no such folder") }
		}, `p.yaml:9: sink "out": path: no such folder`},
		{"a node that its session refuses", func(s *config.Spec) {
			s.Sinks[0].Config = &dial{}
			s.Sinks[0].Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) {
				return &listener{refuse: errors.New(`command: the model has no "set_promt"`)}, nil
			}
		}, `p.yaml:9: sink "out": command: the model has no "set_promt"`},
		{"a relay of what the source does not have", func(s *config.Spec) {
			s.Sinks[0].Config = &dial{}
			s.Sinks[0].From, s.Sinks[0].Encoded = "cam", true
			s.Sinks[0].Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) { return &taker{}, nil }
		}, `p.yaml:9: sink "out": from: cam has no coded pictures: invalid`},
		{"sound that the source does not have", func(s *config.Spec) {
			s.Sinks[0].Audio = "cam"
			s.Sinks[0].Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) { return &hearer{}, nil }
		}, `p.yaml:9: sink "out": audio: cam has no sound: invalid`},
		{"sources", func(s *config.Spec) {
			s.Sources = []config.Source{s.Sources[0]}
			s.Sources[0].Line, s.Sources[0].Config = 3, &dial{Size: 1}
		}, `p.yaml:3: source "cam" changed, and that needs a restart`},
		{
			"sessions", func(s *config.Spec) { s.Sessions = []config.Session{{Name: "main", Line: 2, Model: "reactor/x2"}} },
			`p.yaml:2: session "main" changed, and that needs a restart`,
		},
		{"sources that come and go", func(s *config.Spec) {
			s.Sources = []config.Source{s.Sources[0]}
			s.Sources[0].Line, s.Sources[0].Name = 4, "other"
		}, "p.yaml:4: source \"other\" changed, and that needs a restart\np.yaml:1: source \"cam\" is gone: it changed, and that needs a restart"},
		{
			"name and slots", func(s *config.Spec) { s.Name, s.MaxInFlight = "new", 5 },
			"p.yaml:1: name changed, and that needs a restart\np.yaml:1: max_in_flight changed, and that needs a restart",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2)
				r.camera("cam", 0)
				built, closed := r.tune("look", "cam", dial{Level: 1})
				got := r.collect("out", "look")
				g := r.begin(t)
				if _, err := g.Reload(t.Context(), r.version(tt.change)); err == nil || err.Error() != tt.want {
					t.Errorf("got  %v\nwant %s", err, tt.want)
				}
				if built.Load() > 2 || closed.Load() != 0 {
					t.Errorf("%d built, %d closed", built.Load(), closed.Load())
				}
				time.Sleep(3 * period)
				g.end(t)
				st := g.Stats()
				if diff := cmp.Diff(count(0, int(st.Sources[0].In)), got.all()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAReloadHoldsTheEntranceForASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		r.stage("slow", "cam", func(ctx context.Context, _ *pipeline.Frame) error {
			select {
			case <-ctx.Done():
			case <-time.After(4 * time.Second):
			}
			return ctx.Err()
		})
		other := r.collect("other", "cam")
		out := r.collect("out", "slow")
		g := r.begin(t)
		begun := time.Now()
		if _, err := g.Reload(t.Context(), r.version(func(s *config.Spec) {
			s.Stages, s.Sinks[1].From = nil, "cam"
		})); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d > time.Second {
			t.Errorf("it took %s", d)
		}
		held := g.Stats().Sources[0].Dropped["reload"]
		if held == 0 || held > uint64(time.Second/period) {
			t.Errorf("%d frames came in the hold", held)
		}
		time.Sleep(10 * period)
		if g.Stats().Sources[0].Dropped["reload"] != held {
			t.Error("the hold goes on")
		}
		if len(out.all()) < 9 || len(other.all()) < 9 {
			t.Errorf("frames seen: %v, %v", out.all(), other.all())
		}
		g.end(t)
	})
}

func TestAnythingThatHoldsFramesIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.source("file", 0) // not live: its sinks block
		letGo := make(chan struct{})
		r.sink("stuck", "file", func(context.Context, *pipeline.Frame) error { <-letGo; return nil },
			func(s *config.Sink) { s.Queue = &pipeline.Queue{Depth: 1, OnFull: pipeline.Block} })
		g := r.build()
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- g.Run(ctx) }()
		synctest.Wait()
		_, err := g.Reload(t.Context(), r.version(func(s *config.Spec) { s.Sinks = append(s.Sinks, s.Sinks[0]); s.Sinks[1].Name = "more" }))
		if want := `what is in flight did not leave the graph within 1s: sink "stuck"`; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		// A version without it lets go of it.
		other := r.version(func(s *config.Spec) {
			s.Sinks[0].Name, s.Sinks[0].Type.Build = "free", func(pipeline.Env, any) (pipeline.Sink, error) {
				return &sinkFunc{write: func(context.Context, *pipeline.Frame) error { time.Sleep(time.Second); return nil }}, nil
			}
		})
		if _, err := g.Reload(t.Context(), other); err != nil {
			t.Error(err)
		}
		cancel()
		err = <-ended
		if want := `sink "stuck" did not end within 10s`; err == nil || err.Error() != want {
			t.Errorf("Run: %v", err)
		}
		close(letGo)
		synctest.Wait()
	})
}

func TestASinkThatWasToLeaveGoesOnWhenTheReloadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4)
		r.source("file", 20) // not live: its sinks block
		letGo := make(chan struct{})
		wait := func(context.Context, *pipeline.Frame) error { <-letGo; return nil }
		short := func(s *config.Sink) { s.Queue = &pipeline.Queue{Depth: 1, OnFull: pipeline.Block} }
		r.sink("stuck", "file", wait, short)
		var got seen[uint64]
		r.sink("leaves", "file", func(ctx context.Context, f *pipeline.Frame) error {
			<-letGo
			got.add(f.Seq)
			return ctx.Err()
		}, short)
		g := r.build()
		ended := make(chan error, 1)
		go func() { ended <- g.Run(t.Context()) }()
		synctest.Wait()
		_, err := g.Reload(t.Context(), r.version(func(s *config.Spec) { s.Sinks = s.Sinks[:1] }))
		if want := `what is in flight did not leave the graph within 1s: sink "stuck"`; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		close(letGo)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		// It has given up what waited for room in its queue, no more.
		st := g.Stats().Sinks[1]
		if diff := cmp.Diff(append(count(0, 2), count(6, 20)...), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]uint64{"reload": 4}, st.Dropped); diff != "" || st.Errors != 0 {
			t.Errorf("%d errors, dropped (-want +got):\n%s", st.Errors, diff)
		}
	})
}

func TestASinkTakesThePortOfOneThatGoes(t *testing.T) {
	for _, broken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 2)
			r.camera("cam", 0)
			var taken atomic.Bool
			var built, closed atomic.Int32
			listen := func(_ pipeline.Env, cfg any) (pipeline.Sink, error) {
				if taken.Load() {
					return nil, fmt.Errorf("addr: %w", syscall.EADDRINUSE)
				}
				if cfg.(*dial).Size < 0 {
					return nil, errors.New("tls: no certificate")
				}
				taken.Store(true)
				built.Add(1)
				return &portSink{taken: &taken, closed: &closed}, nil
			}
			r.sink("page", "cam", nil, func(s *config.Sink) { s.Config, s.Type.Build = &dial{}, listen })
			got := r.collect("out", "cam")
			g := r.begin(t)
			size := 1
			if broken {
				size = -1
			}
			did, err := g.Reload(t.Context(), r.version(func(s *config.Spec) { s.Sinks[0].Config = &dial{Size: size} }))
			switch {
			case broken && (err == nil || err.Error() != `p.yaml:9: sink "page": tls: no certificate`):
				t.Errorf("Reload: %v", err)
			case !broken && (err != nil || !cmp.Equal(did.Rebuilt, []string{"page"})):
				t.Errorf("Reload: %+v %v", did, err)
			}
			if built.Load() != 2 || closed.Load() != 1 || !taken.Load() {
				t.Errorf("%d built, %d closed", built.Load(), closed.Load())
			}
			time.Sleep(3 * period)
			g.end(t)
			st := g.Stats()
			if diff := cmp.Diff(count(0, int(st.Sources[0].In)), got.all()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// portSink gives its port back as it is closed.
type portSink struct {
	taken  *atomic.Bool
	closed *atomic.Int32
}

func (*portSink) Write(context.Context, *pipeline.Frame) error { return nil }

func (s *portSink) Close() error {
	s.closed.Add(1)
	s.taken.Store(false)
	return nil
}

func TestAReloadWaitsForTheRunAndIsRefusedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 3)
		r.collect("out", "cam")
		g := r.build()
		early := make(chan error, 1)
		go func() {
			_, err := g.Reload(t.Context(), r.version(func(s *config.Spec) { s.Sinks[0].Hold = period }))
			early <- err
		}()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Run(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-early; err != nil {
			t.Errorf("before the run: %v", err)
		}
		if _, err := g.Reload(short, r.version(func(s *config.Spec) { s.Sinks[0].Hold = period / 2 })); !errors.Is(err, graph.ErrOver) {
			t.Errorf("after the run: %v", err)
		}
	})
}

func TestTheEndOfTheRunEndsAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		r.stage("slow", "cam", func(context.Context, *pipeline.Frame) error { time.Sleep(time.Second / 2); return nil })
		added := &sinkFunc{write: through}
		got := r.collect("out", "slow")
		g := r.begin(t)
		reloaded := make(chan error, 1)
		go func() {
			_, err := g.Reload(t.Context(), r.version(func(s *config.Spec) {
				more := s.Sinks[0]
				more.Name, more.Type.Build = "more", func(pipeline.Env, any) (pipeline.Sink, error) { return added, nil }
				s.Sinks = append(s.Sinks, more)
			}))
			reloaded <- err
		}()
		synctest.Wait()
		g.end(t)
		if err := <-reloaded; !errors.Is(err, graph.ErrOver) {
			t.Errorf("Reload: %v", err)
		}
		if added.closed.Load() != 1 {
			t.Error("what was built was not closed")
		}
		if n, st := len(got.all()), g.Stats(); uint64(n) != st.Sources[0].Out {
			t.Errorf("%d of %d frames reached the sink", n, st.Sources[0].Out)
		}
	})
}

func TestABranchWhoseSourceHasEndedStaysAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("short", 3)
		r.camera("cam", 0)
		r.stage("a", "short", through)
		ended := r.sink("ended", "a", through)
		r.stage("b", "cam", through)
		got := r.collect("out", "b")
		g := r.begin(t)
		late := &sinkFunc{write: through}
		did := g.reload(t, r.version(func(s *config.Spec) {
			more := s.Sinks[0]
			more.Name, more.Type.Build = "late", func(pipeline.Env, any) (pipeline.Sink, error) { return late, nil }
			s.Sinks = append(s.Sinks, more)
			s.Sinks[0].Hold = period
		}))
		if diff := cmp.Diff(graph.Changes{Kept: []string{"a", "b", "out"}, Adjusted: []string{"ended"}, Added: []string{"late"}}, did); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if ended.closed.Load() != 1 || late.closed.Load() != 1 {
			t.Errorf("closed: %d, %d", ended.closed.Load(), late.closed.Load())
		}
		// Moved to where frames come from, the sink is made anew.
		did = g.reload(t, r.version(func(s *config.Spec) { s.Sinks[0].From = "cam" }))
		if diff := cmp.Diff([]string{"ended"}, did.Rebuilt); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		g.end(t)
		if n := g.Stats().Sources[1].Out; uint64(len(got.all())) != n || ended.closed.Load() != 2 {
			t.Errorf("%d of %d frames, closed %d times", len(got.all()), n, ended.closed.Load())
		}
	})
}

// What a condition said, and when it was acted on, outlives the sink.
func TestATriggerOutlivesItsSink(t *testing.T) {
	for _, tt := range []struct {
		name, when string
		want       []uint64
	}{
		{"the same condition", "frame.seq >= 3", []uint64{3}},
		{"another condition", "frame.seq >= 2", []uint64{3, 6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2)
				r.camera("cam", 0)
				got := r.collect("steer", "cam", func(s *config.Sink) {
					s.Config, s.Edge, s.When = &dial{}, pipeline.Rise, when(t, "frame.seq >= 3", nil)
				})
				g := r.begin(t)
				did := g.reload(t, r.version(func(s *config.Spec) {
					s.Sinks[0].Config, s.Sinks[0].When = &dial{Size: 1}, when(t, tt.when, nil)
				}))
				g.end(t)
				if diff := cmp.Diff([]string{"steer"}, did.Rebuilt); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.want, got.all()); diff != "" {
					t.Errorf("acted on (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestANewDeadlineHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		h := &hanging{release: make(chan struct{}), on: func(seq uint64) bool { return seq == 12 }}
		r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return h }, func(s *config.Stage) { s.Deadline = time.Hour })
		got := r.collect("out", "look")
		g := r.begin(t)
		g.reload(t, r.version(func(s *config.Spec) { s.Stages[0].Deadline = 2 * period }))
		time.Sleep(10 * period)
		close(h.release)
		g.end(t)
		if n := g.Stats().Stages[0].Dropped["deadline"]; n != 1 || len(got.all()) < 15 {
			t.Errorf("%d calls given up, frames %v", n, got.all())
		}
	})
}
