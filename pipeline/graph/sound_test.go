package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// sounding is a source with two packets of sound before each of its frames.
type sounding struct {
	*feed
	take func(pipeline.Audio)
	data []byte
}

func (s *sounding) Listen(take func(pipeline.Audio)) { s.take = take }

func (s *sounding) Read(ctx context.Context) (*pipeline.Frame, error) {
	f, err := s.feed.Read(ctx)
	if err == nil {
		for i := range 2 {
			s.data = append(s.data[:0], byte(f.Seq)) // lent for the call alone
			s.take(pipeline.Audio{Codec: "opus", Data: s.data, PTS: f.PTS + time.Duration(i)*period/2})
		}
	}
	return f, err
}

// hearer is a sink of sound.
type hearer struct {
	sinkFunc
	heard seen[string]
	audio func(a pipeline.Audio) error
}

func (s *hearer) WriteAudio(_ context.Context, a pipeline.Audio) error {
	s.heard.add(fmt.Sprint(a.Data[0], " at ", a.PTS))
	if s.audio == nil {
		return nil
	}
	return s.audio(a)
}

func hearing(s *config.Sink) { s.Audio = "cam" }

// A sink behind a slow stage gets all of its source's sound, whatever becomes of
// the frames; one that did not ask for it gets none.
func TestSound(t *testing.T) {
	for _, live := range []bool{true, false} {
		t.Run(fmt.Sprintf("live %t", live), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const frames = 100
				r := newRig(t, 1)
				source := &sounding{feed: &feed{rig: r, frames: frames, isLive: live}}
				if live {
					source.every = period
				}
				r.addSource("cam", false, source)
				r.stage("slow", "cam", func(context.Context, *pipeline.Frame) error {
					time.Sleep(10 * period)
					return nil
				})
				all, none := &hearer{sinkFunc: sinkFunc{write: through}}, &hearer{sinkFunc: sinkFunc{write: through}}
				r.addSink("all", "slow", all, hearing)
				r.addSink("none", "slow", none)
				r.run(t.Context())
				var want []string
				for n := range frames {
					at := time.Duration(n) * period
					want = append(want, fmt.Sprint(n, " at ", at), fmt.Sprint(n, " at ", at+period/2))
				}
				if diff := cmp.Diff(want, all.heard.all()); diff != "" {
					t.Errorf("sound (-want +got):\n%s", diff)
				}
				if got := none.heard.all(); len(got) > 0 {
					t.Errorf("who did not ask got %v", got)
				}
			})
		})
	}
}

// However many pictures wait for a sink that is slow, it has heard the sound that
// was handed on before a picture when it gets that.
func TestSoundComesBeforeItsPicture(t *testing.T) {
	r := newRig(t, 2)
	r.addSource("cam", false, &sounding{feed: &feed{rig: r, frames: 200}})
	s := new(hearer)
	heard := 0 // both are of the sink's one goroutine
	s.audio = func(pipeline.Audio) error { heard++; return nil }
	s.write = func(_ context.Context, f *pipeline.Frame) error {
		if want := 2 * (int(f.Seq) + 1); heard < want {
			t.Errorf("%d packets before picture %d, want %d", heard, f.Seq, want)
		}
		return nil
	}
	r.addSink("out", "cam", s, hearing)
	r.run(t.Context())
}

// An error is said, and the sound goes on; a sink that does not come back loses
// what is too much, and that is counted.
func TestSoundErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.addSource("cam", false, &sounding{feed: &feed{rig: r, frames: 1000, every: period, isLive: true}})
		s := &hearer{sinkFunc: sinkFunc{write: through}}
		s.audio = func(a pipeline.Audio) error {
			switch {
			case a.PTS == 0:
				return errors.New("no room")
			case a.PTS == period:
				time.Sleep(900 * period)
			}
			return nil
		}
		r.addSink("out", "cam", s, hearing, func(s *config.Sink) { s.Rate = 0.001 })
		st := r.run(t.Context())
		if got, lost := len(s.heard.all()), int(st.Sinks[0].Dropped["queue_full"]); got+lost < 2000 || lost < 100 {
			t.Errorf("%d packets, %d lost", got, lost)
		}
		if got := strings.Join(r.log.lines(), ""); !strings.Contains(got, "sound not written") || !strings.Contains(got, "no room") {
			t.Errorf("the error is not in the log: %s", got)
		}
	})
}

// A kind that promises to take sound, and does not, is refused.
func TestSoundPromised(t *testing.T) {
	r := newRig(t, 1)
	r.addSource("cam", false, &sounding{feed: &feed{rig: r, frames: 1}})
	r.addSink("out", "cam", &sinkFunc{write: through}, hearing)
	if _, err := r.tryBuild(); err == nil || !strings.Contains(err.Error(), "takes sound, and it does not") {
		t.Errorf("got %v", err)
	}
}
