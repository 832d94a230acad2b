package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// coded is a source that relays a unit for each of its frames, before it. Every
// tenth is a keyframe.
type coded struct {
	*feed
	take func(pipeline.Unit)
	asks atomic.Int32
	data []byte
}

func (s *coded) Relay(take func(pipeline.Unit)) { s.take = take }
func (s *coded) RequestKeyframe()               { s.asks.Add(1) }

func (s *coded) Read(ctx context.Context) (*pipeline.Frame, error) {
	f, err := s.feed.Read(ctx)
	if err == nil {
		s.data = append(s.data[:0], byte(f.Seq), byte(f.Seq>>8)) // lent for the call alone
		s.take(pipeline.Unit{Codec: "vp8", Data: s.data, PTS: f.PTS, Keyframe: f.Seq%10 == 0})
	}
	return f, err
}

// taker is a sink of units.
type taker struct {
	sinkFunc
	units seen[string]
	unit  func(u pipeline.Unit) error
}

func (s *taker) WriteUnit(_ context.Context, u pipeline.Unit) error {
	s.units.add(fmt.Sprint(int(u.Data[0])|int(u.Data[1])<<8, " ", u.Discontinuity))
	if s.unit == nil {
		return nil
	}
	return s.unit(u)
}

func encoded(s *config.Sink) { s.Encoded = true }

func numbers(from, to int) (list []string) {
	for ; from < to; from++ {
		list = append(list, fmt.Sprint(from, " "))
	}
	return list
}

// A sink of units gets all of them, whatever becomes of the frames.
func TestRelay(t *testing.T) {
	for _, live := range []bool{true, false} {
		t.Run(fmt.Sprintf("live %t", live), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 1)
				source := &coded{feed: &feed{rig: r, frames: 600, isLive: live}}
				if live {
					source.every = period
				}
				r.addSource("cam", false, source)
				var frames seen[uint64]
				s := &taker{sinkFunc: sinkFunc{write: func(_ context.Context, f *pipeline.Frame) error {
					frames.add(f.Seq)
					return nil
				}}}
				r.stage("slow", "cam", func(context.Context, *pipeline.Frame) error {
					time.Sleep(10 * period)
					return nil
				})
				r.collect("out", "slow")
				r.addSink("relay", "cam", s, encoded)
				r.run(t.Context())
				if diff := cmp.Diff(s.units.all(), numbers(0, 600)); diff != "" {
					t.Error(diff)
				}
				if n := len(frames.all()); live == (n == 600) {
					t.Errorf("%d frames", n)
				}
				if s.closed.Load() != 1 {
					t.Error("not closed once")
				}
			})
		})
	}
}

// A sink that falls behind loses units up to a keyframe, and they are counted.
func TestRelayFallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.addSource("cam", false, &coded{feed: &feed{rig: r, frames: 1000, every: period, isLive: true}})
		s := &taker{sinkFunc: sinkFunc{write: through}}
		s.unit = func(u pipeline.Unit) error {
			if u.PTS == 0 {
				time.Sleep(500 * period)
			}
			return nil
		}
		r.addSink("relay", "cam", s, encoded, func(s *config.Sink) { s.Rate = 0.001 })
		st := r.run(t.Context())
		got := s.units.all()
		lost := int(st.Sinks[0].Dropped["queue_full"])
		if len(got)+lost != 1000 || lost < 200 {
			t.Errorf("%d units, %d lost", len(got), lost)
		}
		for _, u := range got {
			if n, ok := strings.CutSuffix(u, string(pipeline.Loss)); ok && strings.HasSuffix(strings.TrimSpace(n), "0") {
				return
			}
		}
		t.Errorf("no keyframe follows the loss: %v", got)
	})
}

func TestRelayErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		source := &coded{feed: &feed{rig: r, frames: 4, every: period, isLive: true}}
		r.addSource("cam", false, source)
		s := &taker{sinkFunc: sinkFunc{write: through}}
		s.unit = func(u pipeline.Unit) error {
			switch u.Data[0] {
			case 0:
				return pipeline.ErrNeedKeyframe
			case 1:
				panic("oops")
			case 2:
				return errors.New("no room")
			}
			return fmt.Errorf("broken for good: %w", pipeline.ErrFatal)
		}
		r.addSink("relay", "cam", s, encoded)
		err := r.build().Run(t.Context())
		if !errors.Is(err, pipeline.ErrFatal) {
			t.Errorf("got %v", err)
		}
		if n := source.asks.Load(); n != 1 {
			t.Errorf("asked for a keyframe %d times", n)
		}
		if got := strings.Join(r.log.lines(), ""); !strings.Contains(got, "oops") {
			t.Errorf("the panic is not in the log: %s", got)
		}
	})
}

// After a reload a sink that stays goes on, and one that is new begins.
func TestRelayOverAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.addSource("cam", false, &coded{feed: &feed{rig: r, every: period, isLive: true}})
		stays, comes := &taker{sinkFunc: sinkFunc{write: through}}, &taker{sinkFunc: sinkFunc{write: through}}
		r.addSink("stays", "cam", stays, encoded)
		g := r.begin(t)
		g.reload(t, r.version(func(s *config.Spec) {
			next := s.Sinks[0]
			next.Name = "comes"
			next.Type.Build = func(pipeline.Env, any) (pipeline.Sink, error) { return comes, nil }
			s.Sinks = append(s.Sinks, next)
		}))
		g.end(t)
		if all := stays.units.all(); len(all) < 8 {
			t.Errorf("the one that stays got %v", all)
		} else if diff := cmp.Diff(all, numbers(0, len(all))); diff != "" {
			t.Error(diff)
		}
		if all := comes.units.all(); len(all) < 3 {
			t.Errorf("the one that comes got %v", all)
		}
	})
}

func TestRelayNeedsUnits(t *testing.T) {
	r := newRig(t, 1)
	r.source("cam", 1)
	r.addSink("relay", "cam", &taker{}, encoded)
	_, err := r.tryBuild()
	if want := `p.yaml:9: sink "relay": from: cam has no coded pictures: invalid`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
