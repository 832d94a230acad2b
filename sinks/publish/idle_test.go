package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/publish"
)

// alive is a sink in a bubble of virtual time.
func alive(t *testing.T, tr pipeline.Session, sent *pipeline.Sent, change func(*publish.Config)) pipeline.Sink {
	t.Helper()
	cfg := publish.Default()
	cfg.Track = "camera"
	change(&cfg)
	s, err := publish.New(pipeline.Env{
		Name: "back", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Session: tr, Sent: sent,
	}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// guarded is a track that a goroutine writes to while a test looks at it.
type guarded struct {
	mu sync.Mutex // guards track
	track
}

func (g *guarded) Publish(ctx context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := g.track.Publish(ctx, p); err != nil {
		return nil, err
	}
	return guardedWriter{g}, nil
}

type guardedWriter struct{ of *guarded }

func (w guardedWriter) Codec() string { return w.of.track.Codec() }

func (w guardedWriter) WriteSample(s pipeline.Sample) error {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.of.track.WriteSample(s)
}

func (w guardedWriter) Close() error {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.of.track.Close()
}

// seen returns the samples since the last call, and how often the track was given
// back.
func (g *guarded) seen() (since track, closed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	since = track{codec: g.codec, samples: g.samples}
	g.samples = nil
	return since, g.closed
}

func show(t *testing.T, s pipeline.Sink, meta pipeline.Meta) {
	t.Helper()
	f := pipeline.NewFrame(meta, pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: 32, Height: 32}))
	if err := errors.Join(s.Write(t.Context(), f), f.Release()); err != nil {
		t.Error(err)
	}
}

func text(t *testing.T, text string) expr.Template {
	t.Helper()
	parsed, err := expr.ParseTemplate(text)
	if err == nil {
		err = parsed.Check(&expr.Scope{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// While no picture comes the last one is sent again, as often as pictures are,
// with what it carried; a keyframe that is asked for comes then. In the end the
// track is given back, and claimed again by the next picture.
func TestRepeatAndIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &guarded{track: track{codec: decode.VP8}}
		s := alive(t, tr, nil, func(c *publish.Config) {
			c.FPS, c.Repeat, c.Idle = 10, config.Duration(time.Second), config.Duration(3*time.Second)
			c.UserData = text(t, "{{ frame.seq }}")
		})
		show(t, s, pipeline.Meta{Seq: 7})
		time.Sleep(550 * time.Millisecond)
		tr.asked.OnKeyframe()
		time.Sleep(2 * time.Second)
		got, closed := tr.seen()
		if n := len(got.samples); n < 10 || n > 11 || closed != 0 {
			t.Errorf("%d samples in a second, closed %d times", n, closed)
		}
		for i, sample := range got.samples {
			if string(sample.UserData) != "7" {
				t.Errorf("sample %d carries %q", i, sample.UserData)
			}
			if i > 0 && sample.PTS-got.samples[i-1].PTS != 100*time.Millisecond {
				t.Errorf("sample %d at %v, behind %v", i, sample.PTS, got.samples[i-1].PTS)
			}
		}
		if diff := cmp.Diff([]int{0, 6}, got.keyframes()); diff != "" {
			t.Errorf("keyframes (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		if got, closed := tr.seen(); closed != 1 || len(got.samples) > 0 {
			t.Errorf("in 3.5 s without a picture: closed %d times, %d more samples", closed, len(got.samples))
		}
		show(t, s, pipeline.Meta{Seq: 8, PTS: 500 * time.Millisecond}) // its source was still, too
		got, _ = tr.seen()
		if len(got.samples) != 1 || !isKeyframe(got.codec, got.samples[0].Data) || got.samples[0].PTS <= time.Second {
			t.Errorf("after the pause: %d samples", len(got.samples))
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if _, closed := tr.seen(); closed != 2 {
			t.Errorf("closed %d times", closed)
		}
	})
}

// Either does without the other, and with neither nothing comes after a picture.
func TestRepeatOrIdle(t *testing.T) {
	for _, tt := range []struct {
		name            string
		repeat, idle    time.Duration
		samples, closed int
	}{
		{"repeat", time.Second, 0, 11, 0},
		{"idle", 0, 3 * time.Second, 1, 1},
		{"neither", 0, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &guarded{track: track{codec: decode.VP8}}
				s := alive(t, tr, nil, func(c *publish.Config) {
					c.FPS, c.Repeat, c.Idle = 10, config.Duration(tt.repeat), config.Duration(tt.idle)
				})
				show(t, s, pipeline.Meta{Seq: 7})
				time.Sleep(time.Minute)
				if got, closed := tr.seen(); len(got.samples) != tt.samples || closed != tt.closed {
					t.Errorf("%d samples, closed %d times; want %d and %d", len(got.samples), closed, tt.samples, tt.closed)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Pictures that several tracks of a group make of one frame carry one capture
// time, their frame's if it has one.
func TestGroup(t *testing.T) {
	for _, group := range []string{"", "g"} {
		var got []string
		for range 2 {
			tr := &track{codec: decode.VP8}
			s := open(t, tr, func(c *publish.Config) { c.Group = group })
			for n, meta := range []pipeline.Meta{{PTS: 0}, {PTS: time.Second}, {PTS: 2 * time.Second, CaptureTime: time.Hour}} {
				meta.Seq = uint64(n)
				show(t, s.sink, meta)
			}
			got = append(got, fmt.Sprint(tr.samples[0].CaptureTime, tr.samples[1].CaptureTime, tr.samples[2].CaptureTime))
		}
		want := "0s 0s 1h0m0s"
		if group != "" {
			want = "1µs 1.000001s 1h0m0s"
		}
		if got[0] != want || got[1] != want {
			t.Errorf("group %q: got %v, want %s", group, got, want)
		}
	}
}

// Frames are remembered by their user data, or by a key of their own.
func TestSentFrames(t *testing.T) {
	for _, tt := range []struct{ userData, key, want string }{
		{`{"id": {{ frame.seq }}}`, "", `{"id": 3}`},
		{`{"id": {{ frame.seq }}, "at": 5}`, "{{ frame.seq }}", "3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			sent := pipeline.NewSent()
			s := alive(t, &track{codec: decode.VP8}, sent, func(c *publish.Config) {
				c.UserData, c.Key = text(t, tt.userData), text(t, tt.key)
			})
			now := time.Now()
			show(t, s, pipeline.Meta{Seq: 3, PTS: time.Minute})
			got, ok := sent.Answer("back", tt.want)
			want := pipeline.SentFrame{Seq: 3, PTS: time.Minute, At: now}
			if diff := cmp.Diff(want, got); diff != "" || !ok || !sent.Sends("back") {
				t.Errorf("%q, %t (-want +got):\n%s", tt.want, ok, diff)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a stage had detected on a frame is noted where somebody asks for it.
func TestSentDetections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := pipeline.NewSent()
		sent.Ask("back", "people")
		s := alive(t, &track{codec: decode.VP8}, sent, func(c *publish.Config) { c.UserData = text(t, "1") })
		f := pipeline.NewFrame(pipeline.Meta{PTS: time.Minute}, pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: 32, Height: 32}))
		found := []pipeline.Detection{{Label: "person"}}
		for _, stage := range []string{"people", "cars"} {
			f.Lend(stage)
			pipeline.Set(f, pipeline.Detections, found)
		}
		if err := errors.Join(s.Write(t.Context(), f), f.Release(), s.Close()); err != nil {
			t.Fatal(err)
		}
		got, _ := sent.Answer("back", "1")
		if diff := cmp.Diff(map[string][]pipeline.Detection{"people": found}, got.Detections); diff != "" || got.Width == 0 || got.Height == 0 {
			t.Errorf("a picture of %d×%d (-want +got):\n%s", got.Width, got.Height, diff)
		}
	})
}
