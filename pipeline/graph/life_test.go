package graph_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// listener is a stage and a sink that remembers what it is told.
type listener struct {
	mu     sync.Mutex
	told   []string
	refuse error // of the first Configure and of SessionReady
	slow   time.Duration
}

func (l *listener) tell(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, fmt.Sprintf(format, args...))
}

func (l *listener) Process(_ context.Context, f *pipeline.Frame) error {
	l.tell("frame %d", f.Seq)
	time.Sleep(l.slow)
	return nil
}

func (l *listener) Write(ctx context.Context, f *pipeline.Frame) error { return l.Process(ctx, f) }

func (l *listener) Configure(in pipeline.Format) error {
	l.tell("configure %dx%d", in.Width, in.Height)
	err := l.refuse
	l.refuse = nil
	return err
}

func (l *listener) Reset(why pipeline.Reason) { l.tell("reset %s", why) }

func (l *listener) SessionReady(context.Context) error {
	l.tell("session")
	return l.refuse
}

func (l *listener) Close() error {
	l.tell("close")
	return nil
}

func TestNodesAreToldOfFormatsAndBreaks(t *testing.T) {
	adapt := func(f *pipeline.Frame) {
		if f.Seq >= 3 {
			f.Image().(*image).format.Width = 2
		}
		switch f.Seq {
		case 1:
			f.Discontinuity = pipeline.Loss
		case 2:
			f.Discontinuity = pipeline.Renewal // on a frame that the first stage drops
		case 3:
			f.Discontinuity = pipeline.Loss
		}
	}
	want := []string{"configure 1x1", "frame 0", "reset loss", "frame 1", "reset renewal", "configure 2x1", "frame 3", "close"}
	r := newRig(t, 2)
	r.source("cam", 4).adapt = adapt
	var stage, sink listener
	r.stage("drop", "cam", func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq == 2 {
			return pipeline.ErrDrop
		}
		return nil
	})
	r.stageOf("look", "drop", func(pipeline.Env) pipeline.Stage { return &stage })
	r.addSink("out", "look", &sink)
	r.run(t.Context())
	if diff := cmp.Diff(want, stage.told); diff != "" {
		t.Errorf("stage (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, sink.told); diff != "" {
		t.Errorf("sink (-want +got):\n%s", diff)
	}
}

func TestAFormatThatIsRefusedIsTriedAgain(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 2)
	l := listener{refuse: errors.New("too small")}
	r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return &l })
	st := r.run(t.Context())
	if diff := cmp.Diff([]string{"configure 1x1", "configure 1x1", "frame 1", "close"}, l.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if log := strings.Join(r.log.lines(), ""); st.Stages[0].Errors != 1 || !strings.Contains(log, `err="configure for gray8 1x1: too small"`) {
		t.Errorf("%d errors, log: %s", st.Stages[0].Errors, log)
	}
}

// After a Configure that failed nobody knows what the node is made for, also when
// the format is the old one again.
func TestAFormatThatWasRefusedLeavesNone(t *testing.T) {
	r := newRig(t, 1)
	r.source("cam", 3).adapt = func(f *pipeline.Frame) {
		if f.Seq == 1 {
			f.Image().(*image).format.Width = 2
		}
	}
	l := &picky{}
	r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return l })
	r.run(t.Context())
	want := []string{"configure 1x1", "frame 0", "configure 2x1", "configure 1x1", "frame 2", "close"}
	if diff := cmp.Diff(want, l.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// picky is a listener that takes pictures of one pixel only.
type picky struct{ listener }

func (p *picky) Configure(in pipeline.Format) error {
	p.tell("configure %dx%d", in.Width, in.Height)
	if in.Width != 1 {
		return errors.New("too wide")
	}
	return nil
}

func TestABreakOutlivesFramesThatAreNotSeen(t *testing.T) {
	breakAt2 := func(f *pipeline.Frame) {
		if f.Seq == 2 {
			f.Discontinuity = pipeline.Reconnect
		}
	}
	tests := []struct {
		name  string
		build func(r *rig, l *listener)
		want  []string
	}{
		{"dropped at the entrance", func(r *rig, l *listener) {
			r.camera("cam", 5).adapt = breakAt2
			l.slow = 2*period + period/2
			r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return l })
			r.spec.MaxInFlight = 1
		}, []string{"configure 1x1", "frame 0", "reset reconnect", "frame 3", "close"}},
		{"not due", func(r *rig, l *listener) {
			r.source("cam", 5).adapt = breakAt2
			r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return l }, func(s *config.Stage) { s.Rate = 25. / 3 })
		}, []string{"configure 1x1", "frame 0", "reset reconnect", "frame 3", "close"}},
		{"not due beside the line", func(r *rig, l *listener) {
			r.camera("cam", 5).adapt = breakAt2
			r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return l }, func(s *config.Stage) { s.Rate, s.Async = 25./3, true })
		}, []string{"configure 1x1", "frame 0", "reset reconnect", "frame 3", "close"}},
		{"overtaken", func(r *rig, l *listener) {
			r.camera("cam", 5).adapt = breakAt2
			l.slow = 3*period + period/2
			r.stageOf("look", "cam", func(pipeline.Env) pipeline.Stage { return l }, func(s *config.Stage) { s.Async = true })
		}, []string{"configure 1x1", "frame 0", "reset reconnect", "frame 3", "close"}},
		{"thrown out of a sink's queue", func(r *rig, l *listener) {
			r.camera("cam", 5).adapt = breakAt2
			l.slow = 3*period + period/2
			r.addSink("out", "cam", l, func(s *config.Sink) { s.Queue = &pipeline.Queue{Depth: 1, OnFull: pipeline.DropOldest} })
		}, []string{"configure 1x1", "frame 0", "reset reconnect", "frame 3", "frame 4", "close"}},
		{"refused by a sink's queue", func(r *rig, l *listener) {
			r.camera("cam", 5).adapt = breakAt2
			l.slow = 3*period + period/2
			r.addSink("out", "cam", l, func(s *config.Sink) { s.Queue = &pipeline.Queue{Depth: 1, OnFull: pipeline.DropNewest} })
		}, []string{"configure 1x1", "frame 0", "reset reconnect", "frame 1", "frame 4", "close"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2)
				var l listener
				tt.build(r, &l)
				r.run(t.Context())
				if diff := cmp.Diff(tt.want, l.told); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSessionReadyComesBetweenTwoFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 3)
		l := listener{slow: 30 * time.Millisecond}
		r.addSink("steer", "cam", &l, func(s *config.Sink) { s.Session = "main" })
		other := listener{refuse: errors.New("never asked")}
		r.addSink("other", "cam", &other, func(s *config.Sink) { s.Session = "second" })
		g := r.build()
		if err := g.SessionReady(t.Context(), "main"); err != nil {
			t.Error(err)
		}
		go func() {
			time.Sleep(period + 10*time.Millisecond)
			if err := g.SessionReady(t.Context(), "main"); err != nil {
				t.Error(err)
			}
			l.tell("ready at %s", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
		}()
		if err := g.Run(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"session", "configure 1x1", "frame 0", "frame 1", "session", "ready at 70ms", "frame 2", "close"}
		if diff := cmp.Diff(want, l.told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestSessionReadyNamesWhoObjects(t *testing.T) {
	r := newRig(t, 1)
	r.source("cam", 1)
	l := listener{refuse: errors.New(`command: the model has no "set_promt", did you mean "set_prompt"?`)}
	r.addSink("steer", "cam", &l, func(s *config.Sink) { s.Session = "main" })
	g := r.build()
	defer g.Close()
	err := g.SessionReady(t.Context(), "main")
	want := `p.yaml:9: sink "steer": command: the model has no "set_promt", did you mean "set_prompt"?`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// fragile panics where it is asked about its session, and cannot be closed.
type fragile struct{ *feed }

func (fragile) SessionReady(context.Context) error { panic("ouch") }
func (fragile) Close() error                       { return errors.New("the device is gone") }

// TestSessionReadyThatPanics harms nobody else, and is named.
func TestSessionReadyThatPanics(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func(*rig)
		want string
	}{
		{"source", func(r *rig) {
			r.addSource("broken", false, fragile{&feed{rig: r, frames: 1}})
			r.spec.Sources[1].Session = "main"
		}, `p.yaml:0: source "broken": panic: ouch`},
		{"stage", func(r *rig) {
			r.stageOf("broken", "cam", func(pipeline.Env) pipeline.Stage {
				return struct {
					pipeline.StageFunc
					fragile
				}{func(context.Context, *pipeline.Frame) error { return nil }, fragile{}}
			}, func(s *config.Stage) { s.Session = "main" })
		}, `p.yaml:7: stage "broken": panic: ouch`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1)
			r.source("cam", 1)
			tt.add(r)
			var other listener
			r.addSink("other", "cam", &other, func(s *config.Sink) { s.Session = "main" })
			g := r.build()
			defer g.Close()
			if err := g.SessionReady(t.Context(), "main"); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if diff := cmp.Diff([]string{"session"}, other.told); diff != "" {
				t.Errorf("the other (-want +got):\n%s", diff)
			}
		})
	}
}

// TestASourceThatCannotBeClosed is said at the end of the run.
func TestASourceThatCannotBeClosed(t *testing.T) {
	r := newRig(t, 1)
	r.addSource("cam", false, fragile{&feed{rig: r, frames: 1}})
	r.collect("out", "cam")
	if err := r.build().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the device is gone") {
		t.Errorf("got %v", err)
	}
}

func TestTheEndOfTheContextDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		source := r.camera("cam", 0)
		r.stage("slow", "cam", func(ctx context.Context, _ *pipeline.Frame) error {
			time.Sleep(2 * period)
			return ctx.Err() // the nodes' context is not over yet
		})
		got := r.collect("out", "slow")
		sink := r.sink("slower", "slow", func(context.Context, *pipeline.Frame) error {
			time.Sleep(time.Second)
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*period+time.Millisecond)
		defer cancel()
		begun := time.Now()
		st := r.run(ctx)
		if n := uint64(len(got.all())); n != st.Sources[0].Out || n < 5 {
			t.Errorf("%d frames entered, %d written", st.Sources[0].Out, n)
		}
		if s := st.Sinks[1]; s.Out != st.Sources[0].Out || s.Dropped["drain"] != 0 {
			t.Errorf("slow sink: %+v", s)
		}
		if source.closed.Load() != 1 || sink.closed.Load() != 1 {
			t.Error("not closed once")
		}
		if d := time.Since(begun); d > 8*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 0)
		sink := r.sink("heeds", "cam", func(ctx context.Context, _ *pipeline.Frame) error {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		st := r.run(ctx)
		if d := time.Since(begun); d > 11*time.Second {
			t.Errorf("it took %s", d)
		}
		if sink.closed.Load() != 1 {
			t.Error("the sink was not closed")
		}
		if s := st.Sinks[0]; s.Out != 0 || s.Dropped["drain"] != s.In {
			t.Errorf("%+v", s)
		}
	})
}

func TestRunNamesWhatHangs(t *testing.T) {
	tests := []struct {
		name  string
		build func(r *rig, hang func())
		want  string
	}{
		{"stage", func(r *rig, hang func()) {
			r.camera("cam", 0)
			r.stage("stuck", "cam", func(context.Context, *pipeline.Frame) error { hang(); return nil })
		}, `stage "stuck" did not end within 10s`},
		{"stage without a deadline", func(r *rig, hang func()) {
			r.camera("cam", 0)
			r.stage("stuck", "cam", func(context.Context, *pipeline.Frame) error { hang(); return nil }, func(s *config.Stage) { s.Deadline = 0 })
		}, `stage "stuck" did not end within 10s`},
		{"async stage", func(r *rig, hang func()) {
			r.camera("cam", 0)
			r.stage("stuck", "cam", func(context.Context, *pipeline.Frame) error { hang(); return nil }, func(s *config.Stage) { s.Async = true })
		}, `stage "stuck" did not end within 10s`},
		{"workers", func(r *rig, hang func()) {
			r.camera("cam", 0)
			r.stage("stuck", "cam", func(context.Context, *pipeline.Frame) error { hang(); return nil }, func(s *config.Stage) { s.Workers = 2 })
		}, `stage "stuck" did not end within 10s`},
		{"source", func(r *rig, hang func()) {
			r.camera("cam", 0).adapt = func(*pipeline.Frame) { hang() }
			r.stage("stuck", "cam", through)
		}, `source "cam" did not end within 10s`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2)
				letGo := make(chan struct{})
				tt.build(r, func() { <-letGo })
				sink := r.sink("out", "stuck", through)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begun := time.Now()
				err := r.build().Run(ctx)
				if err == nil || err.Error() != tt.want {
					t.Errorf("Run: %v, want %s", err, tt.want)
				}
				if d := time.Since(begun); d > 11*time.Second {
					t.Errorf("it took %s", d)
				}
				if sink.closed.Load() != 1 {
					t.Error("the sink behind it was not closed")
				}
				close(letGo)
				synctest.Wait()
			})
		})
	}
}

func TestASinkThatHangsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.source("cam", 5) // its end drains as patiently as frames move
		letGo := make(chan struct{})
		r.sink("stuck", "cam", func(context.Context, *pipeline.Frame) error { <-letGo; return nil })
		other := r.sink("other", "cam", through)
		err := r.build().Run(t.Context())
		if want := `sink "stuck" did not end within 10s`; err == nil || err.Error() != want {
			t.Errorf("Run: %v, want %s", err, want)
		}
		if other.closed.Load() != 1 {
			t.Error("the other sink was not closed")
		}
		close(letGo)
		synctest.Wait()
	})
}

func TestAnOrderlyEndIsPatientWhileFramesMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.source("cam", 30)
		sink := r.sink("slow", "cam", func(context.Context, *pipeline.Frame) error {
			time.Sleep(7 * time.Second)
			return nil
		})
		st := r.run(t.Context())
		if st.Sinks[0].Out != 30 || sink.closed.Load() != 1 {
			t.Errorf("%+v", st.Sinks[0])
		}
	})
}

func TestTheDrainAfterAFailureIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.source("cam", 0)
		r.stage("bad", "cam", func(_ context.Context, f *pipeline.Frame) error {
			if f.Seq == 25 {
				return pipeline.ErrFatal
			}
			return nil
		})
		sink := r.sink("slow", "bad", func(ctx context.Context, _ *pipeline.Frame) error {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
			return ctx.Err()
		})
		g := r.build()
		time.Sleep(time.Second)
		begun := time.Now()
		if err := g.Run(t.Context()); !errors.Is(err, pipeline.ErrFatal) {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(begun); d > 11*time.Second || sink.closed.Load() != 1 {
			t.Errorf("it took %s, the sink was closed %d times", d, sink.closed.Load())
		}
	})
}

type brokenCloser struct{ sinkFunc }

func (s *brokenCloser) Close() error { return errors.New("disk full") }

func TestErrorsOfClosingAreReturned(t *testing.T) {
	r := newRig(t, 2)
	r.source("cam", 1)
	r.addSink("video", "cam", &brokenCloser{sinkFunc{write: through}})
	err := r.build().Run(t.Context())
	if want := `sink "video": close: disk full`; err == nil || err.Error() != want {
		t.Errorf("Run: %v, want %s", err, want)
	}
}

// talk is a source of messages: one every now and then, without end.
type talk struct {
	n     int
	every time.Duration
	last  int // 0: without end
}

func (s *talk) Read(ctx context.Context) (*pipeline.Frame, error) {
	if s.last > 0 && s.n == s.last {
		return nil, io.EOF
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(s.every):
	}
	s.n++
	return pipeline.NewFrame(pipeline.Meta{
		Seq: uint64(s.n - 1), Message: &pipeline.Message{Type: "state", Data: map[string]any{"n": s.n}, At: time.Now()},
	}, nil), nil
}

func (s *talk) Live() bool { return true }

func (s *talk) Close() error { return nil }

func TestMessagesFlowAndAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 10)
		r.addSource("state", true, &talk{every: 85 * time.Millisecond})
		scope := &expr.Scope{Messages: []string{"state"}}
		busy := r.collect("busy", "cam", func(s *config.Sink) { s.When = when(t, "state.data.n >= 2", scope) })
		said := r.collect("said", "state", func(s *config.Sink) { s.Pixels = pipeline.Pixels{} })
		picture := r.collect("picture", "state") // one that uses pixels
		var heard seen[int]
		r.stageOf("ask", "cam", func(env pipeline.Env) pipeline.Stage {
			return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error {
				if m, ok := env.LastMessage("state"); ok {
					heard.add(m.Data["n"].(int))
				}
				return nil
			})
		})
		st := r.run(t.Context()) // the camera's end ends the run
		if diff := cmp.Diff([]uint64{5, 6, 7, 8, 9}, busy.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(count(0, 4), said.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(picture.all()); n != 0 {
			t.Errorf("%d messages reached a sink that uses pixels", n)
		}
		if h := heard.all(); len(h) != 7 || h[0] != 1 || h[6] != 4 {
			t.Errorf("heard %v", h)
		}
		if st.Sinks[0].Skipped["absent"] == 0 {
			t.Error("before the first message the condition is absent")
		}
	})
}

// Messages that end before the pictures do end nothing but themselves.
func TestTheEndOfMessagesIsNotThatOfPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.camera("cam", 10)
		r.addSource("state", true, &talk{last: 2, every: period})
		pictures := r.collect("pictures", "cam")
		said := r.collect("said", "state", func(s *config.Sink) { s.Pixels = pipeline.Pixels{} })
		r.run(t.Context())
		if diff := cmp.Diff([2]int{10, 2}, [2]int{len(pictures.all()), len(said.all())}); diff != "" {
			t.Errorf("pictures and messages (-want +got):\n%s", diff)
		}
	})
}

// A message has no pixels: it passes a stage by that uses some, and goes on under
// the name of its source.
func TestAMessagePassesAStageThatUsesPixels(t *testing.T) {
	r := newRig(t, 1)
	r.addSource("state", true, &talk{last: 3})
	r.stage("look", "state", func(context.Context, *pipeline.Frame) error {
		t.Error("the stage was given a message")
		return nil
	})
	var streams seen[string]
	r.sink("said", "look", func(_ context.Context, f *pipeline.Frame) error {
		streams.add(f.Stream)
		return nil
	}, func(s *config.Sink) { s.Pixels = pipeline.Pixels{} })
	r.run(t.Context())
	if diff := cmp.Diff([]string{"state", "state", "state"}, streams.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMessagesAloneAreARunToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.addSource("state", true, &talk{last: 5})
		got := r.collect("said", "state", func(s *config.Sink) { s.Pixels = pipeline.Pixels{} })
		r.run(t.Context())
		if diff := cmp.Diff(count(0, 5), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
