package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/publish"
)

// studio is a session whose model takes a picture and sound. It notes what is
// sent in its order.
type studio struct {
	pipeline.Session
	lost error // what WriteSample returns
	sent []string
}

func (s *studio) Publish(_ context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	if p.Track == "mic" && p.Codec != "opus" {
		return nil, fmt.Errorf("asked for sound in %q", p.Codec)
	}
	return studioTrack{s, p.Track}, nil
}

type studioTrack struct {
	studio *studio
	name   string
}

func (t studioTrack) Codec() string {
	if t.name == "mic" {
		return "opus"
	}
	return "vp8"
}

func (t studioTrack) WriteSample(s pipeline.Sample) error {
	if t.studio.lost == nil {
		t.studio.sent = append(t.studio.sent, fmt.Sprint(t.name, " ", s.PTS))
	}
	return t.studio.lost
}

func (t studioTrack) Close() error {
	t.studio.sent = append(t.studio.sent, t.name+" closed")
	return nil
}

// Sound waits for the pictures that it belongs to, but not for ever; without a
// track of pictures it does not wait at all.
func TestSound(t *testing.T) {
	const ms = time.Millisecond
	picture := func(pts time.Duration) func(*testing.T, pipeline.Sink) error {
		return func(t *testing.T, s pipeline.Sink) error {
			f := pipeline.NewFrame(pipeline.Meta{PTS: pts}, pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: 32, Height: 32}))
			return errors.Join(s.Write(t.Context(), f), f.Release())
		}
	}
	packet := func(pts time.Duration) func(*testing.T, pipeline.Sink) error {
		return func(t *testing.T, s pipeline.Sink) error {
			return s.(pipeline.AudioSink).WriteAudio(t.Context(), pipeline.Audio{Codec: "opus", Data: []byte{0xf8, 0xff, 0xfe}, PTS: pts})
		}
	}
	tests := []struct {
		name, track string
		steps       []func(*testing.T, pipeline.Sink) error
		want        []string
	}{
		{
			"beside pictures", "camera",
			[]func(*testing.T, pipeline.Sink) error{picture(0), packet(0), packet(20 * ms), packet(60 * ms), picture(50 * ms), packet(40 * ms), picture(100 * ms)},
			[]string{"camera 0s", "camera 50ms", "mic 0s", "mic 20ms", "camera 100ms", "mic 60ms", "mic 40ms"},
		},
		{
			"beside pictures that stand still", "camera",
			[]func(*testing.T, pipeline.Sink) error{picture(0), packet(500 * ms), packet(1400 * ms), packet(1500 * ms), packet(1600 * ms)},
			[]string{"camera 0s", "mic 500ms"},
		},
		{
			"alone", "",
			[]func(*testing.T, pipeline.Sink) error{packet(0), picture(0), packet(20 * ms)},
			[]string{"mic 0s", "mic 20ms"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := publish.Default()
			cfg.Track, cfg.AudioTrack = tt.track, "mic"
			st := &studio{}
			s, err := publish.New(pipeline.Env{
				Name: "back", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Session: st, Audio: true,
			}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range tt.steps {
				if err := step(t, s); err != nil {
					t.Errorf("step %d: %v", i, err)
				}
			}
			if diff := cmp.Diff(tt.want, st.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if last := st.sent[len(st.sent)-1]; last != "mic closed" && last != "camera closed" {
				t.Errorf("last of all: %s", last)
			}
		})
	}
}

// While the session is not ready sound is lost, counted, and no error; it goes on
// by itself.
func TestSoundNotReady(t *testing.T) {
	cfg := publish.Default()
	cfg.AudioTrack = "mic"
	st, c, lost := &studio{lost: pipeline.ErrNotReady}, &pipetest.Clock{Time: time.Now()}, &pipetest.Counters{}
	s, err := publish.New(pipeline.Env{Name: "back", Log: slog.New(slog.DiscardHandler), Clock: c, Metrics: lost, Session: st, Audio: true}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 30 {
		if i == 15 {
			st.lost = nil
		}
		a := pipeline.Audio{Codec: string(decode.Opus), Data: []byte{0xf8, 0xff, 0xfe}, PTS: time.Duration(i) * 20 * time.Millisecond}
		if err := s.(pipeline.AudioSink).WriteAudio(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		c.Add(20 * time.Millisecond)
	}
	if got := lost.Get("sound_lost_total"); got != 20 || len(st.sent) != 10 { // it is tried again after 200 ms
		t.Errorf("%v lost, %d sent", got, len(st.sent))
	}
}
