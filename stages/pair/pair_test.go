package pair_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/pair"
)

func TestStage(t *testing.T) {
	sent := pipeline.NewSent()
	sent.Declare("back")
	pipetest.Stage(t, pipetest.Case{Register: pair.Register, Kind: "pair", Config: "{sent: back}", Env: pipeline.Env{Sent: sent}})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*pair.Config)
		want   string
	}{
		{"default", func(*pair.Config) {}, ""},
		{"no sink", func(c *pair.Config) { c.Sent = "" }, "sent: must be the name of a publish sink"},
		{"age", func(c *pair.Config) { c.Age = 0 }, "age: must be positive, got 0s"},
		{"others", func(c *pair.Config) { c.Others = "keep" }, `others: must be pass or drop, got "keep"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := pair.Default()
			cfg.Sent = "back"
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

// A reply is paired with the frame that it names, once, unless that is too old.
func TestPair(t *testing.T) {
	tests := []struct {
		name   string
		change func(*pair.Config)
		want   []string
		counts map[string]float64
	}{
		{
			"by user data", func(*pair.Config) {},
			[]string{"seq 5, at 500 ms, after 100 ms", "passed", "late", "passed", "passed"},
			map[string]float64{"late_total": 1, "unpaired_total": 3},
		},
		{
			"others dropped", func(c *pair.Config) { c.Others = "drop" },
			[]string{"seq 5, at 500 ms, after 100 ms", "dropped", "late", "dropped", "dropped"},
			map[string]float64{"late_total": 1, "unpaired_total": 3},
		},
		{
			"any age", func(c *pair.Config) { c.Age = config.Duration(time.Minute) },
			[]string{"seq 5, at 500 ms, after 100 ms", "passed", "seq 6, at 600 ms, after 3000 ms", "passed", "passed"},
			map[string]float64{"unpaired_total": 3},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := pair.Default()
			cfg.Sent = "back"
			tt.change(&cfg)
			c, n, sent := &pipetest.Clock{Time: time.Now()}, &pipetest.Counters{}, pipeline.NewSent()
			sent.Declare("back")
			s, err := pair.New(pipeline.Env{Name: "p", Log: slog.New(slog.DiscardHandler), Clock: c, Metrics: n, Sent: sent}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, seq := range []uint64{5, 6} {
				sent.Note("back", fmt.Sprint(seq), pipeline.SentFrame{Seq: seq, PTS: time.Duration(seq) * 100 * time.Millisecond, At: c.Time})
			}
			sent.Note("other", "7", pipeline.SentFrame{})
			var got []string
			for _, reply := range []struct {
				userData string
				after    time.Duration
			}{{"5", 100 * time.Millisecond}, {"5", 0}, {"6", 2900 * time.Millisecond}, {"", 0}, {"7", 0}} {
				c.Add(reply.after)
				n := n.Get("late_total")
				f := pipeline.NewFrame(pipeline.Meta{UserData: []byte(reply.userData)}, nil)
				err := s.Process(t.Context(), f)
				m, paired := pipeline.Get(f, pipeline.Measurements)
				switch {
				case errors.Is(err, pipeline.ErrDrop):
					got = append(got, "dropped")
				case err != nil:
					got = append(got, err.Error())
				case paired:
					got = append(got, fmt.Sprintf("seq %g, at %g ms, after %g ms", m["sent_seq"], m["sent_pts_ms"], m["round_trip_ms"]))
				default:
					got = append(got, "passed")
				}
				if late := tt.counts["late_total"]; n < late && got[len(got)-1] == "dropped" && reply.userData == "6" {
					got[len(got)-1] = "late"
				}
				if err := f.Release(); err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("replies (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.counts, n.All()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

// What was found on the frame that was sent is on the reply, too, where it is in
// the reply's picture; nothing where nobody had looked.
func TestDetectionsAreCarriedOver(t *testing.T) {
	sent := pipeline.NewSent()
	sent.Declare("back")
	cfg := pair.Default()
	cfg.Sent, cfg.Detections = "back", "people"
	s, err := pair.New(pipeline.Env{Name: "p", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Sent: sent}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"people"}, sent.Asked("back")); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	found := []pipeline.Detection{{Label: "person", Box: pipeline.Box{X: 10, Y: 20, Width: 30, Height: 40}}}
	now := time.Now()
	sent.Note("back", "1", pipeline.SentFrame{At: now, Width: 320, Height: 240, Detections: map[string][]pipeline.Detection{"people": found}})
	sent.Note("back", "2", pipeline.SentFrame{At: now, Width: 320, Height: 240})
	sent.Note("back", "3", pipeline.SentFrame{At: now, Width: 320, Height: 240, Detections: map[string][]pipeline.Detection{"people": found}})
	picture := pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: 640, Height: 240})
	tests := []struct {
		name  string
		image pipeline.Image
		want  []pipeline.Detection
	}{
		{"1", picture, []pipeline.Detection{{Label: "person", Box: pipeline.Box{X: 20, Y: 20, Width: 60, Height: 40}}}},
		{"2", nil, nil},
		{"3", nil, found}, // a message
	}
	for _, tt := range tests {
		f := pipeline.NewFrame(pipeline.Meta{UserData: []byte(tt.name)}, tt.image)
		f.Lend("p")
		if err := s.Process(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		got, _ := pipeline.GetFrom(f, "p", pipeline.Detections)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("reply %s (-want +got):\n%s", tt.name, diff)
		}
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

// A message may be a reply, too, and name the frame in its own way.
func TestKey(t *testing.T) {
	key, err := expr.ParseTemplate("{{ frame.user_data.id }}")
	if err == nil {
		err = key.Check(&expr.Scope{})
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg := pair.Default()
	cfg.Sent, cfg.Key = "back", key
	sent := pipeline.NewSent()
	env := pipeline.Env{Name: "p", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Sent: sent}
	s, err := pair.New(env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := pipeline.NewFrame(pipeline.Meta{UserData: []byte(`{"id": 12, "more": true}`)}, nil)
	if err := s.Process(t.Context(), f); !errors.Is(err, pipeline.ErrFatal) || err.Error() != `sent: there is no publish sink "back": fatal` {
		t.Errorf("no such sink: got %v", err)
	}
	sent.Declare("back")
	sent.Note("back", "12", pipeline.SentFrame{Seq: 4, At: time.Now()})
	if err := s.Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if m, _ := pipeline.Get(f, pipeline.Measurements); m["sent_seq"] != 4 {
		t.Errorf("got %v", m)
	}
	if err := f.Release(); err != nil {
		t.Error(err)
	}
}
