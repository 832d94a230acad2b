package log_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/log"
)

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{
		Register: log.Register, Kind: "log", Config: "{message: 'frame {{ frame.seq }}', level: warn}",
		Check: func(cfg any) error { return cfg.(*log.Config).Message.Check(&expr.Scope{}) },
	})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*log.Config)
		want   string
	}{
		{"default", func(*log.Config) {}, ""},
		{"level", func(c *log.Config) { c.Level = "loud" }, `level: must be debug, info, warn or error, got "loud"`},
		{"limit", func(c *log.Config) { c.Limit = 0 }, "limit: must be positive, got 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := log.Default()
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

// lines returns what a sink logs for frames 0, 1, 2 … that come as far apart as
// period.
func lines(t *testing.T, cfg log.Config, period time.Duration, frames ...*pipeline.Frame) string {
	t.Helper()
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	synctest.Test(t, func(t *testing.T) {
		s, err := log.New(pipeline.Env{Log: slog.New(handler), Clock: pipeline.SystemClock{}}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if err := s.Write(t.Context(), f); err != nil {
				t.Error(err)
			}
			<-time.After(period)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return out.String()
}

func frame(seq uint64, people int) *pipeline.Frame {
	f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: seq, PTS: time.Duration(seq) * 40 * time.Millisecond}, nil)
	if people > 0 {
		f.Lend("people")
		pipeline.Set(f, pipeline.Detections, make([]pipeline.Detection, people))
	}
	return f
}

func TestLines(t *testing.T) {
	message, err := expr.ParseTemplate("{{ len(people.detections) }} people")
	if err != nil {
		t.Fatal(err)
	}
	if err := message.Check(&expr.Scope{Stages: map[string][]pipeline.AnyKind{"people": {pipeline.Detections}}}); err != nil {
		t.Fatal(err)
	}
	said := pipeline.NewFrame(pipeline.Meta{Stream: "state", Message: &pipeline.Message{Type: "state", Data: map[string]any{"n": 1}}}, nil)
	tests := []struct {
		name   string
		change func(*log.Config)
		frames []*pipeline.Frame
		want   string
	}{
		{"default", func(*log.Config) {}, []*pipeline.Frame{frame(1, 0), said}, "level=INFO msg=frame stream=cam seq=1 pts=40ms\n" +
			"level=INFO msg=message stream=state seq=0 pts=0s type=state data=map[n:1]\n"},
		{
			"message and level", func(c *log.Config) { c.Message, c.Level = message, "warn" },
			[]*pipeline.Frame{frame(1, 2)},
			"level=WARN msg=\"2 people\" stream=cam seq=1 pts=40ms\n",
		},
		{
			"absent", func(c *log.Config) { c.Message = message },
			[]*pipeline.Frame{frame(1, 0), frame(2, 1)},
			"level=INFO msg=\"1 people\" stream=cam seq=2 pts=80ms\n",
		},
		{"below the log's level", func(c *log.Config) { c.Level = "debug" }, []*pipeline.Frame{frame(1, 0)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := log.Default()
			tt.change(&cfg)
			if diff := cmp.Diff(lines(t, cfg, time.Second, tt.frames...), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	cfg := log.Default()
	cfg.Limit = 5
	frames := []*pipeline.Frame{frame(0, 0), frame(1, 0), frame(2, 0)}
	want := "level=INFO msg=frame stream=cam seq=0 pts=0s\n" +
		"level=INFO msg=frame stream=cam seq=2 pts=80ms skipped=1\n"
	if diff := cmp.Diff(lines(t, cfg, 100*time.Millisecond, frames...), want); diff != "" {
		t.Error(diff)
	}
}
