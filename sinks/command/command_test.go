package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{
		Register: command.Register, Kind: "command", Config: "{command: set_prompt, data: {prompt: 'frame {{ frame.seq }}'}}",
		Env:   pipeline.Env{Session: &model{CommandLedger: pipeline.NewLedger(10)}},
		Check: func(cfg any) error { return cfg.(*command.Config).Data.Check(&expr.Scope{}) },
	})
	t.Run("with pictures", func(t *testing.T) {
		pipetest.Sink(t, pipetest.Case{
			Register: command.Register, Kind: "command", Config: "{command: set_image, data: {image: {frame: 'crop(0, 0, 10, 10)'}}}",
			Env:   pipeline.Env{Session: &model{CommandLedger: pipeline.NewLedger(10)}},
			Check: func(cfg any) error { return cfg.(*command.Config).Data.Check(&expr.Scope{}) },
		})
	})
}

// Whatever is wrong with a decision, or with the model, has an outcome of its own.
func TestTrouble(t *testing.T) {
	refuse := func(context.Context, map[string]any) (pipeline.Reply, error) {
		return pipeline.Reply{}, &pipeline.Refused{Command: "set_prompt", Code: "command_error", Reason: "never"}
	}
	tests := []struct {
		name   string
		data   string
		answer func(context.Context, map[string]any) (pipeline.Reply, error)
		jump   time.Duration // of the clock, while a decision waits
		want   []string      // outcomes that were counted
		err    string        // of writing
	}{
		{"a model that refuses everything", "x", refuse, 0, []string{"commands_refused_total 3"}, ""},
		{"a model that answers after ten seconds", "x", func(context.Context, map[string]any) (pipeline.Reply, error) {
			<-time.After(10*time.Second - time.Millisecond)
			return pipeline.Reply{}, nil
		}, 0, []string{"commands_sent_total 2", "commands_superseded_total 1"}, ""},
		{"a model that never answers", "x", never, 0, []string{"commands_failed_total 2", "commands_superseded_total 1"}, ""},
		{"not a number", `{{ float("NaN") }}`, nil, 0, nil, `prompt: float("NaN"): the result is not a finite number`},
		{"null", "{{ nil }}", nil, 0, []string{"absent_total 3"}, ""},
		{"more than a megabyte", `{{ repeat("x", 600000) }}{{ repeat("x", 600000) }}`, nil, 0, nil, `prompt: {{ repeat("x", 600000) }}{{ repeat("x", 600000) }}: the text is longer than 1 MiB`},
		{"a clock that is set forward", "x", unreadyAlways, time.Hour, []string{"commands_expired_total 1", "commands_superseded_total 2"}, ""},
		{"a clock that is set back", "x", unreadyAlways, -time.Hour, []string{"commands_failed_total 1", "commands_superseded_total 2"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var counted pipetest.Counters
			m := &model{answer: tt.answer}
			change := func(c *command.Config) { c.Data = value(t, map[string]any{"prompt": tt.data}) }
			clock := new(jumping)
			playWith(t, pipeline.Env{Metrics: &counted, Clock: clock}, change, m, func(s *script) {
				for range 3 {
					s.seq++
					err := s.sink.Write(t.Context(), people(s.seq, 1))
					if got := fmt.Sprint(err); err != nil && got != tt.err {
						s.Errorf("write: %s, want %s", got, tt.err)
					}
					s.wait(time.Millisecond)
				}
				clock.jump(tt.jump)
				s.wait(time.Minute)
			})
			var got []string
			for name, n := range counted.All() {
				got = append(got, fmt.Sprint(name, " ", n))
			}
			slices.Sort(got)
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("counted: %s", diff)
			}
		})
	}
}

func unreadyAlways(context.Context, map[string]any) (pipeline.Reply, error) {
	return pipeline.Reply{}, pipeline.ErrNotReady
}

// jumping is a clock whose time can be set.
type jumping struct {
	pipeline.SystemClock
	by atomic.Int64
}

func (c *jumping) Now() time.Time { return time.Now().Add(time.Duration(c.by.Load())).Round(0) }

func (c *jumping) jump(by time.Duration) { c.by.Add(int64(by)) }

// model is a session with a model that answers as it is told.
type model struct {
	pipeline.Session
	*pipeline.CommandLedger
	answer func(ctx context.Context, args map[string]any) (pipeline.Reply, error)
	check  func(name string, args map[string]any) error
	begun  time.Time // of the script

	mu   sync.Mutex // guards sent
	sent []string
}

func (m *model) Command(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	m.mu.Lock()
	m.sent = append(m.sent, fmt.Sprintf("%s %v because of %s #%d", name, args["prompt"], pipeline.CauseOf(ctx).Stream, pipeline.CauseOf(ctx).Seq))
	m.mu.Unlock()
	if m.answer == nil {
		return pipeline.Reply{}, nil
	}
	return m.answer(ctx, args)
}

func (m *model) Check(name string, args map[string]any) error {
	if m.check == nil {
		return nil
	}
	return m.check(name, args)
}

// script is one test's world: a sink in front of a model, in virtual time.
type script struct {
	*testing.T
	model *model
	sink  pipeline.Sink
	log   *bytes.Buffer // read it after a wait
	seq   uint64
}

// play runs a script. The data is {prompt: <prompt>} where n is the number of
// people on the frame.
func play(t *testing.T, change func(*command.Config), m *model, act func(*script)) {
	t.Helper()
	playWith(t, pipeline.Env{Metrics: pipeline.NoMetrics{}}, change, m, act)
}

// playWith is play with something else in the sink's environment.
func playWith(t *testing.T, env pipeline.Env, change func(*command.Config), m *model, act func(*script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := command.Default()
		cfg.Command = "set_prompt"
		cfg.Data = value(t, map[string]any{"prompt": "{{ len(people.detections) }} people"})
		change(&cfg)
		m.CommandLedger = pipeline.NewLedger(100)
		var log bytes.Buffer
		env.Name, env.Session = "steer", m
		if env.Clock == nil {
			env.Clock = pipeline.SystemClock{}
		}
		env.Log = slog.New(slog.NewTextHandler(&log, nil))
		sink, err := command.New(env, cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := &script{T: t, model: m, sink: sink, log: &log}
		act(s)
		if err := sink.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func value(t *testing.T, raw any) expr.Value {
	t.Helper()
	v, err := expr.NewValue(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Check(&expr.Scope{Stages: map[string][]pipeline.AnyKind{"people": {pipeline.Detections}}}); err != nil {
		t.Fatal(err)
	}
	return v
}

func people(seq uint64, n int) *pipeline.Frame {
	f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: seq}, nil)
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, make([]pipeline.Detection, n))
	return f
}

// decide writes a frame with n people.
func (s *script) decide(n int) {
	s.Helper()
	s.seq++
	s.write(people(s.seq, n))
}

func (s *script) write(f *pipeline.Frame) {
	s.Helper()
	if err := s.sink.Write(s.Context(), f); err != nil {
		s.Errorf("write: %v", err)
	}
}

func (s *script) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *script) wantSent(want ...string) {
	s.Helper()
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	if diff := cmp.Diff(s.model.sent, want); diff != "" {
		s.Errorf("sent: %s", diff)
	}
}

// wantNoted compares what the sink noted of decisions that did not end at the
// session.
func (s *script) wantNoted(want ...string) {
	s.Helper()
	records, _ := s.model.Commands(0)
	var got []string
	for _, r := range records {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%v: %s %s", r.Args["prompt"], r.Outcome, r.Reason)))
	}
	if diff := cmp.Diff(got, want); diff != "" {
		s.Errorf("noted: %s", diff)
	}
}

func slow(ctx context.Context, _ map[string]any) (pipeline.Reply, error) {
	select {
	case <-time.After(time.Second):
		return pipeline.Reply{}, nil
	case <-ctx.Done():
		return pipeline.Reply{}, ctx.Err()
	}
}

func unchanged(*command.Config) {}

func TestSendsWhatWasDecided(t *testing.T) {
	play(t, unchanged, &model{}, func(s *script) {
		s.decide(4)
		s.wait(0)
		s.decide(5)
		s.wait(0)
		s.wantSent("set_prompt 4 people because of cam #1", "set_prompt 5 people because of cam #2")
		s.wantNoted()
	})
}

// A decision that the session holds back is one more outcome.
func TestSuppressed(t *testing.T) {
	m := &model{answer: func(context.Context, map[string]any) (pipeline.Reply, error) {
		return pipeline.Reply{}, &pipeline.Suppressed{Command: "set_prompt", Reason: "a circle"}
	}}
	play(t, unchanged, m, func(s *script) {
		s.decide(4)
		s.wait(0)
		s.decide(5)
		s.wait(0)
		s.wantSent("set_prompt 4 people because of cam #1", "set_prompt 5 people because of cam #2")
	})
}

func TestAbsentIsNotSent(t *testing.T) {
	play(t, unchanged, &model{}, func(s *script) {
		s.write(pipeline.NewFrame(pipeline.Meta{Stream: "cam"}, nil))
		s.wait(time.Minute)
		s.wantSent()
		s.wantNoted()
	})
}

func TestNewestDecisionWaitsForASlowReply(t *testing.T) {
	play(t, unchanged, &model{answer: slow}, func(s *script) {
		s.decide(1)
		s.wait(0)
		for n := 2; n <= 4; n++ {
			s.decide(n)
		}
		s.wait(time.Minute)
		s.wantSent("set_prompt 1 people because of cam #1", "set_prompt 4 people because of cam #4")
		s.wantNoted("2 people: superseded a newer decision took its place", "3 people: superseded a newer decision took its place")
	})
}

func TestCloseSendsWhatWaits(t *testing.T) {
	m := &model{answer: slow}
	play(t, unchanged, m, func(s *script) {
		s.decide(1)
		s.wait(0)
		s.decide(2)
	})
	if len(m.sent) != 2 {
		t.Errorf("sent %v, want both", m.sent)
	}
}

func TestCloseDoesNotWaitForever(t *testing.T) {
	var log *bytes.Buffer
	play(t, func(c *command.Config) { c.Timeout = config.Duration(time.Hour) }, &model{answer: never}, func(s *script) {
		s.decide(1)
		s.wait(0)
		log = s.log
	})
	if want := `outcome=failed reason="the pipeline ended"`; !strings.Contains(log.String(), want) {
		t.Errorf("log: %s\nwant %s", log, want)
	}
}

// never does not answer.
func never(ctx context.Context, _ map[string]any) (pipeline.Reply, error) {
	<-ctx.Done()
	return pipeline.Reply{}, ctx.Err()
}

// unready is a session that is not ready before its time.
func unready(until time.Duration) *model {
	begun := time.Time{}
	return &model{answer: func(context.Context, map[string]any) (pipeline.Reply, error) {
		if begun.IsZero() {
			begun = time.Now()
		}
		if time.Since(begun) < until {
			return pipeline.Reply{}, fmt.Errorf("connection lost: %w", pipeline.ErrNotReady)
		}
		return pipeline.Reply{}, nil
	}}
}

func TestWaitsForTheSession(t *testing.T) {
	tests := []struct {
		name  string
		until time.Duration
		noted []string
	}{
		{"back in time", 5 * time.Second, nil},
		{"back too late", time.Minute, []string{"1 people: expired waited longer than 10s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, unchanged, unready(tt.until), func(s *script) {
				s.decide(1)
				s.wait(time.Hour)
				s.wantNoted(tt.noted...)
			})
		})
	}
}

func TestGoesOnAsSoonAsTheSessionIsReady(t *testing.T) {
	play(t, unchanged, unready(100*time.Millisecond), func(s *script) {
		s.decide(1)
		s.wait(100 * time.Millisecond)
		if err := s.sink.(pipeline.SessionUser).SessionReady(s.Context()); err != nil {
			s.Error(err)
		}
		s.wait(0)
		s.wantSent("set_prompt 1 people because of cam #1", "set_prompt 1 people because of cam #1")
	})
}

// A decision that is one too many is sent as soon as there is room for it.
func TestWaitsItsTurn(t *testing.T) {
	var tried []time.Duration
	m := new(model)
	m.answer = func(context.Context, map[string]any) (pipeline.Reply, error) {
		tried = append(tried, time.Since(m.begun))
		if len(tried) == 1 {
			return pipeline.Reply{}, &pipeline.Throttled{After: 340 * time.Millisecond}
		}
		return pipeline.Reply{}, nil
	}
	play(t, unchanged, m, func(s *script) {
		m.begun = time.Now()
		s.decide(1)
		s.wait(10 * time.Second)
		if diff := cmp.Diff(tried, []time.Duration{0, 340 * time.Millisecond}); diff != "" {
			s.Errorf("tried: %s", diff)
		}
	})
}

func TestNewerDecisionSupersedesOneThatWaitsForTheSession(t *testing.T) {
	play(t, unchanged, unready(time.Minute), func(s *script) {
		s.decide(1)
		s.wait(2 * time.Second)
		s.decide(2)
		s.wait(20 * time.Second)
		s.wantNoted("1 people: superseded a newer decision took its place", "2 people: expired waited longer than 10s")
	})
}

func TestDedupe(t *testing.T) {
	refuseOnce := errors.New("not now")
	m := &model{answer: func(context.Context, map[string]any) (pipeline.Reply, error) {
		err := refuseOnce
		refuseOnce = nil
		return pipeline.Reply{}, err
	}}
	play(t, func(c *command.Config) { c.Dedupe = true }, m, func(s *script) {
		for _, n := range []int{1, 1, 1, 2, 1} { // the first is not taken
			s.decide(n)
			s.wait(0)
		}
		s.wantSent("set_prompt 1 people because of cam #1", "set_prompt 1 people because of cam #2",
			"set_prompt 2 people because of cam #4", "set_prompt 1 people because of cam #5")
		s.wantNoted("1 people: deduped")
	})
}

func TestDryRun(t *testing.T) {
	m := &model{check: func(_ string, args map[string]any) error {
		if args["prompt"] == "9 people" {
			return fmt.Errorf("prompt: too many: %w", pipeline.ErrInvalid)
		}
		return nil
	}}
	play(t, func(c *command.Config) { c.DryRun = true }, m, func(s *script) {
		s.decide(1)
		s.wait(0)
		s.decide(9)
		s.wait(0)
		s.wantSent()
		s.wantNoted("1 people: dry_run", "9 people: failed prompt: too many: invalid")
	})
}

func TestActsOnceOnAHeldResult(t *testing.T) {
	play(t, unchanged, &model{}, func(s *script) {
		first, second := people(1, 2).Results("people"), people(4, 2).Results("people")
		for seq, held := range []pipeline.Results{first, first, first, second, second} {
			f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: uint64(seq)}, nil)
			f.Hold(held, seq == 0 || seq == 3)
			s.write(f)
			s.wait(0)
		}
		s.wantSent("set_prompt 2 people because of cam #0", "set_prompt 2 people because of cam #3")
	})
}

func TestChecksItselfAgainstTheSchema(t *testing.T) {
	var checked map[string]any
	mistake := fmt.Errorf(`command "set_prompt": unknown argument "prompt": %w`, pipeline.ErrInvalid)
	m := &model{check: func(_ string, args map[string]any) error {
		checked = args
		return mistake
	}}
	change := func(c *command.Config) {
		c.Data = value(t, map[string]any{"prompt": "{{ len(people.detections) }}", "strength": 2, "style": "noir"})
	}
	play(t, change, m, func(s *script) {
		user := s.sink.(pipeline.SessionUser)
		if err := user.SessionReady(s.Context()); !errors.Is(err, pipeline.ErrInvalid) {
			s.Errorf("got %v", err)
		}
		want := map[string]any{"prompt": pipeline.Computed{}, "strength": 2, "style": "noir"}
		if diff := cmp.Diff(checked, want); diff != "" {
			s.Error(diff)
		}
		s.decide(1)
		s.wait(0)
		s.wantNoted(`1: refused disabled: command "set_prompt": unknown argument "prompt": invalid`)
		mistake = nil
		if err := user.SessionReady(s.Context()); err != nil {
			s.Error(err)
		}
		s.decide(1)
		s.wait(0)
		s.wantSent("set_prompt 1 because of cam #2")
	})
}

// The log tells of what was not taken once a second at most, and how much it
// left out, and names the command once.
func TestLogOfRefusals(t *testing.T) {
	m := &model{answer: func(context.Context, map[string]any) (pipeline.Reply, error) {
		return pipeline.Reply{}, &pipeline.Refused{Command: "set_prompt", Code: "invalid_command", Reason: "prompt: too long"}
	}}
	play(t, unchanged, m, func(s *script) {
		for n := 1; n <= 3; n++ {
			s.decide(n)
			s.wait(0)
		}
		s.wait(time.Minute)
		s.decide(4)
		s.wait(0)
		var got []string
		for line := range strings.Lines(s.log.String()) {
			_, after, _ := strings.Cut(line, "level=")
			got = append(got, strings.TrimSpace(after))
		}
		want := []string{
			`WARN msg="command not taken" command=set_prompt outcome=refused reason="prompt: too long" stream=cam seq=1`,
			`WARN msg="command not taken" command=set_prompt outcome=refused reason="prompt: too long" stream=cam seq=4 before_unsaid=2`,
		}
		if diff := cmp.Diff(got, want); diff != "" {
			s.Error(diff)
		}
	})
}

func TestNoReply(t *testing.T) {
	play(t, unchanged, &model{answer: never}, func(s *script) {
		s.decide(1)
		s.wait(time.Hour)
		if want := `outcome=failed reason="no reply within 10s"`; !strings.Contains(s.log.String(), want) {
			s.Errorf("log: %s\nwant %s", s.log, want)
		}
	})
}

// still is what a program makes of frames' pictures, where boxes are the numbers
// in its files.
func still(f *pipeline.Frame, s pipeline.Still) (pipeline.Upload, error) {
	u := s.Upload(f)
	x, y, w, h, err := s.Area(64, 48)
	u.Content = []byte(fmt.Sprint(x, y, w, h))
	return u, err
}

func TestUploadsPicturesOfFrames(t *testing.T) {
	m := new(model)
	m.answer = func(_ context.Context, args map[string]any) (pipeline.Reply, error) {
		u := args["image"].(pipeline.Upload)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sent = append(m.sent, fmt.Sprintf("%s %s %s", u.Name, u.MIMEType, u.Content))
		return pipeline.Reply{}, nil
	}
	var counted pipetest.Counters
	withPicture := func(c *command.Config) {
		c.Data = value(t, map[string]any{"prompt": "x", "image": map[string]any{"frame": "crop(people.detections[0], 0.5)", "format": "png"}})
	}
	playWith(t, pipeline.Env{Still: still, Metrics: &counted}, withPicture, m, func(s *script) {
		for _, b := range []pipeline.Box{{X: 20, Y: 20, Width: 8, Height: 4}, {X: 60, Y: -2, Width: 8, Height: 4}, {X: 100, Y: 100, Width: 8, Height: 4}} {
			s.seq++
			f := people(s.seq, 0)
			pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{Box: b}})
			s.write(f)
			s.wait(time.Second)
		}
		s.wantSent(
			"set_prompt x because of cam #1", "cam-1.png image/png 16 18 16 8",
			"set_prompt x because of cam #2", "cam-2.png image/png 56 0 8 4",
		)
	})
	if n := counted.Get("empty_crops_total"); n != 1 {
		t.Errorf("%v empty crops counted, want 1", n)
	}
}

func TestReadsPixelsForPicturesOnly(t *testing.T) {
	cfg := command.Default()
	cfg.Data = value(t, map[string]any{"image": map[string]any{"frame": true}})
	if got, want := cfg.Pixels(), (pipeline.Pixels{Read: pipeline.BGR}); got != want || cfg.Queue().Depth > 30 {
		t.Errorf("with a picture: %+v, a queue of %d", got, cfg.Queue().Depth)
	}
	cfg.Data = value(t, map[string]any{"prompt": "rain"})
	if got := cfg.Pixels(); got != (pipeline.Pixels{}) || cfg.Queue().Depth < 1000 {
		t.Errorf("without one: %+v, a queue of %d", got, cfg.Queue().Depth)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*command.Config)
		want   string
	}{
		{"good", unchanged, ""},
		{"no command", func(c *command.Config) { c.Command = "" }, "command: is required"},
		{"data", func(c *command.Config) { c.Data = value(t, "rain") }, "data: must be names with values, as in {prompt: rain}"},
		{"ttl", func(c *command.Config) { c.TTL = 0 }, "ttl: must be positive, got 0s"},
		{"timeout", func(c *command.Config) { c.Timeout = 0 }, "timeout: must be positive, got 0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := command.Default()
			cfg.Command = "set_prompt"
			tt.change(&cfg)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNeedsASession(t *testing.T) {
	_, err := command.New(pipeline.Env{Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}}, command.Default())
	if want := "there is no session to send commands to"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// BenchmarkDecide is what a decision costs the line, the wire aside.
func BenchmarkDecide(b *testing.B) {
	cfg := command.Default()
	cfg.Command = "set_prompt"
	var err error
	if cfg.Data, err = expr.NewValue(map[string]any{"prompt": "{{ len(people.detections) }} people"}); err != nil {
		b.Fatal(err)
	}
	if err := cfg.Data.Check(&expr.Scope{Stages: map[string][]pipeline.AnyKind{"people": {pipeline.Detections}}}); err != nil {
		b.Fatal(err)
	}
	taken := make(chan struct{})
	m := &model{CommandLedger: pipeline.NewLedger(100), answer: func(context.Context, map[string]any) (pipeline.Reply, error) {
		taken <- struct{}{}
		return pipeline.Reply{}, nil
	}}
	sink, err := command.New(pipeline.Env{
		Session: m, Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Log: slog.New(slog.DiscardHandler),
	}, cfg)
	if err != nil {
		b.Fatal(err)
	}
	f := people(1, 4)
	b.ReportAllocs()
	for b.Loop() {
		if err := sink.Write(b.Context(), f); err != nil {
			b.Fatal(err)
		}
		<-taken
	}
	if err := sink.Close(); err != nil {
		b.Fatal(err)
	}
}
