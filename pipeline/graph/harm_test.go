package graph_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Whatever a stage does, the branches beside it get every frame, and the log
// and the metrics name it.
func TestAStageHarmsOnlyItself(t *testing.T) {
	var keeps []*pipeline.Frame
	tests := []struct {
		name    string
		process pipeline.StageFunc
		// What the sinks behind the stage get, the line of the log, and the metric.
		behind int
		log    string
		metric string
	}{
		{
			"panics", func(context.Context, *pipeline.Frame) error { panic("oh") }, 0,
			`msg=panicked node=bad err="panic: oh"`, `frames_dropped_total{node="bad",pipeline="test",reason="panic"} 200`,
		},
		{
			"fails on every frame", func(context.Context, *pipeline.Frame) error { return errors.New("boom") }, 0,
			"msg=failed node=bad err=boom", `frames_dropped_total{node="bad",pipeline="test",reason="error"} 200`,
		},
		{
			"releases what it is lent", func(_ context.Context, f *pipeline.Frame) error { return f.Release() }, 0,
			`msg=panicked node=bad err="panic: pipeline: a frame that is lent is not released: Keep it, and release that"`,
			`panics_total{node="bad",pipeline="test"} 200`,
		},
		{"numbers frames anew", func(_ context.Context, f *pipeline.Frame) error {
			f.Seq, f.PTS = 1000-f.Seq, -f.PTS
			return nil
		}, 200, "", `frames_out_total{node="bad",pipeline="test"} 200`},
		{"keeps what it is lent", func(_ context.Context, f *pipeline.Frame) error {
			keeps = append(keeps, f.Keep())
			return nil
		}, 200, `msg="keeps frames and does not release them" node=bad kept=`, `kept_frames{node="bad",pipeline="test"} 200`},
		{
			"takes the pixels away", func(_ context.Context, f *pipeline.Frame) error { return f.Drop("mine") }, 0,
			"", `frames_in_total{node="bad",pipeline="test"} 200`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if framecheck && strings.HasPrefix(tt.metric, "kept_frames") {
					t.Skip("the stage keeps frames to its end")
				}
				registry := prometheus.NewRegistry()
				r := newRig(t, 2)
				r.cfg.Metrics = registry
				r.camera("cam", 200)
				r.stage("bad", "cam", tt.process)
				r.stage("good", "cam", set(7))
				r.stage("join", "good", through, func(s *config.Stage) { s.With = []string{"bad"} })
				behind := r.collect("behind", "bad")
				beside := r.collect("beside", "join")
				shownAtEnd := ""
				r.sink("last", "join", func(_ context.Context, f *pipeline.Frame) error {
					if f.Seq == 199 {
						synctest.Wait()
						shownAtEnd = shown(registry)
					}
					return nil
				})
				r.run(t.Context())
				for _, k := range keeps {
					if err := k.Release(); err != nil {
						t.Error(err)
					}
				}
				keeps = nil
				if diff := cmp.Diff(count(0, 200), beside.all()); diff != "" {
					t.Errorf("beside it (-want +got):\n%s", diff)
				}
				if got := behind.all(); len(got) != tt.behind || !slices.IsSorted(got) {
					t.Errorf("behind it: %v", got)
				}
				if log := strings.Join(r.log.lines(), ""); !strings.Contains(log, tt.log) {
					t.Errorf("no %s in\n%s", tt.log, log)
				}
				if !strings.Contains(shownAtEnd, "reactorpipe_"+tt.metric+"\n") {
					t.Errorf("no %s in\n%s", tt.metric, shownAtEnd)
				}
			})
		})
	}
}

// A buffer that fills and stays is named as it grows, not for ever.
func TestABufferIsNamedWhileItGrows(t *testing.T) {
	if framecheck {
		t.Skip("the sink keeps frames to its end")
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 2000)
		var buffer []*pipeline.Frame
		r.sink("clip", "cam", func(_ context.Context, f *pipeline.Frame) error {
			buffer = append(buffer, f.Keep())
			if len(buffer) > 100 {
				if err := buffer[0].Release(); err != nil {
					t.Error(err)
				}
				buffer = buffer[1:]
			}
			return nil
		})
		st := r.run(t.Context())
		if st.Sinks[0].Kept != 100 {
			t.Errorf("%d frames kept", st.Sinks[0].Kept)
		}
		for _, k := range buffer {
			if err := k.Release(); err != nil {
				t.Error(err)
			}
		}
		if said := strings.Count(strings.Join(r.log.lines(), ""), "keeps frames"); said != 1 {
			t.Errorf("said %d times", said)
		}
	})
}

// A sink that does not return from Write is named in log, metrics and health,
// harms no other, and does not hold up the end beyond its deadline.
func TestASinkThatBlocksHarmsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		r := newRig(t, 2)
		r.cfg.Metrics = registry
		r.camera("cam", 0)
		letGo := make(chan struct{})
		r.sink("stuck", "cam", func(_ context.Context, f *pipeline.Frame) error {
			if f.Seq == 10 {
				<-letGo
			}
			return nil
		})
		got := r.collect("other", "cam")
		g := r.begin(t)
		time.Sleep(20 * time.Second)
		st := g.Stats()
		if stuck := st.Sinks[0]; !stuck.Hanging || stuck.Dropped["queue_full"] == 0 || st.Sinks[1].Hanging {
			t.Errorf("%+v", st.Sinks)
		}
		if n := uint64(len(got.all())); n != st.Sources[0].In {
			t.Errorf("the other sink got %d of %d frames", n, st.Sources[0].In)
		}
		if s := shown(registry); !strings.Contains(s, `reactorpipe_hanging_calls{node="stuck",pipeline="test"} 1`) {
			t.Errorf("not in the metrics:\n%s", s)
		}
		begun := time.Now()
		if err := g.stop(); err == nil || err.Error() != `sink "stuck" did not end within 10s` {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(begun); d > 10*time.Second {
			t.Errorf("the end took %s", d)
		}
		close(letGo)
		synctest.Wait()
		var said []string
		for _, line := range r.log.lines() {
			if _, about, ok := strings.Cut(line, "msg="); ok {
				said = append(said, strings.Fields(about)[0]+" "+strings.Fields(about)[1])
			}
		}
		if diff := cmp.Diff([]string{`"write hangs"`, `"write returned"`}, said); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestPanicsInNewAndCloseAreErrors(t *testing.T) {
	r := newRig(t, 1)
	r.source("cam", 1)
	oh := func(pipeline.Env, any) (pipeline.Stage, error) { panic("oh") }
	r.stage("look", "cam", through, func(s *config.Stage) { s.Type.Build = oh })
	_, err := r.tryBuild()
	if want := `p.yaml:7: stage "look": panic: oh`; err == nil || err.Error() != want {
		t.Errorf("New: %v, want %s", err, want)
	}

	r = newRig(t, 1)
	r.source("cam", 3)
	r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return panickyCloser{} })
	r.addSink("show", "look", panickyCloser{})
	got := r.collect("out", "look")
	err = r.build().Run(t.Context())
	for _, want := range []string{`stage "look": close: panic: oh`, `sink "show": close: panic: oh`} {
		if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), want) {
			t.Errorf("Close: %v\nwant %s", err, want)
		}
	}
	if len(got.all()) != 3 {
		t.Errorf("%v", got.all())
	}
}

type panickyCloser struct{}

func (panickyCloser) Process(context.Context, *pipeline.Frame) error { return nil }
func (panickyCloser) Write(context.Context, *pipeline.Frame) error   { return nil }
func (panickyCloser) Close() error                                   { panic("oh") }

func TestErrDropMeansNothingToASink(t *testing.T) {
	r := newRig(t, 1)
	r.source("cam", 3)
	r.sink("out", "cam", func(context.Context, *pipeline.Frame) error { return pipeline.ErrDrop })
	if s := r.run(t.Context()).Sinks[0]; s.Errors != 3 || s.Dropped["error"] != 3 || s.Out != 0 {
		t.Errorf("%+v", s)
	}
}

func TestSlotsAreCountedForEachSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("front", 25)
		r.camera("back", 25)
		r.stage("slow", "front", func(context.Context, *pipeline.Frame) error { time.Sleep(10 * period); return nil })
		got := r.collect("out", "back")
		st := r.run(t.Context())
		if diff := cmp.Diff(count(0, 25), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if st.Sources[0].Dropped["no_slot"] == 0 || len(st.Sources[1].Dropped) != 0 {
			t.Errorf("%v %v", st.Sources[0].Dropped, st.Sources[1].Dropped)
		}
	})
}

func TestEveryInstanceIsToldOfEveryBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reasons := []pipeline.Reason{pipeline.Loss, pipeline.Loop, pipeline.Reconnect, pipeline.Renewal}
		r := newRig(t, 2)
		r.camera("cam", 40).adapt = func(f *pipeline.Frame) {
			if f.Seq > 0 && f.Seq%8 == 0 {
				f.Discontinuity = reasons[f.Seq/8-1]
			}
		}
		var instances []*listener
		r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage {
			instances = append(instances, &listener{slow: period * 3 / 2}) // both have work
			return instances[len(instances)-1]
		}, func(s *config.Stage) { s.Workers = 2 })
		r.run(t.Context())
		for i, l := range instances {
			resets := slices.DeleteFunc(l.told, func(s string) bool { return !strings.HasPrefix(s, "reset") })
			if diff := cmp.Diff([]string{"reset loss", "reset loop", "reset reconnect", "reset renewal"}, resets); diff != "" {
				t.Errorf("instance %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestANodeIsGivenWhatItNeeds(t *testing.T) {
	r := newRig(t, 1)
	r.spec.Dir = "/pipelines"
	r.cfg.Clock = pipeline.SystemClock{}
	asked := ""
	r.cfg.Session = func(name string) pipeline.Session { asked = name; return nil }
	r.source("cam", 1)
	r.stageOf("look", "cam", func(env pipeline.Env) pipeline.Stage {
		if env.Name != "look" || env.Clock != r.cfg.Clock || env.ReadPath("a.onnx") != "/pipelines/a.onnx" || env.Metrics == nil || env.LastMessage != nil {
			t.Errorf("%+v", env)
		}
		env.Log.Info("hello")
		return pipeline.StageFunc(through)
	}, func(s *config.Stage) { s.Session = "second" })
	r.run(t.Context())
	if log := strings.Join(r.log.lines(), ""); asked != "second" || !strings.Contains(log, "msg=hello node=look") {
		t.Errorf("session %q, log %s", asked, log)
	}
}
