package graph_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

func TestAQueueHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			name  string
			queue pipeline.Queue
			want  []uint64
			lost  string // by the sink or at the entrance
		}{
			// The sink takes 0 at once and needs 9.3 periods for each frame.
			{"drop_oldest", pipeline.Queue{Depth: 2, OnFull: pipeline.DropOldest}, []uint64{0, 8, 17, 18, 19}, "queue_full"},
			{"drop_newest", pipeline.Queue{Depth: 2, OnFull: pipeline.DropNewest}, []uint64{0, 1, 2, 10, 19}, "queue_full"},
			{"deep", pipeline.Queue{Depth: 30, OnFull: pipeline.DropOldest}, count(0, 20), ""},
			{"block", pipeline.Queue{Depth: 2, OnFull: pipeline.Block}, []uint64{0, 1, 2, 3, 10, 19}, "no_slot"},
		}
		for _, tt := range tests {
			r := newRig(t, 1)
			r.camera("cam", 20)
			var got seen[uint64]
			r.sink("slow", "cam", func(_ context.Context, f *pipeline.Frame) error {
				got.add(f.Seq)
				time.Sleep(period * 93 / 10)
				return nil
			}, func(s *config.Sink) { s.Queue = &tt.queue })
			fast := r.collect("fast", "cam")
			st := r.run(t.Context())
			if diff := cmp.Diff(tt.want, got.all()); diff != "" {
				t.Errorf("%s: written (-want +got):\n%s", tt.name, diff)
			}
			if tt.queue.OnFull != pipeline.Block && len(fast.all()) != 20 {
				t.Errorf("%s: the other sink got %d frames", tt.name, len(fast.all()))
			}
			lost := st.Sinks[0].Dropped["queue_full"]
			if tt.lost == "no_slot" {
				lost = st.Sources[0].Dropped["no_slot"]
			}
			if lost != uint64(20-len(got.all())) {
				t.Errorf("%s: %d frames counted as lost, %d written", tt.name, lost, len(got.all()))
			}
		}
	})
}

func TestSinksBlockOnASourceThatIsNotLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.source("file", 20)
		r.stage("a", "file", through)
		got := r.collect("slow", "a", func(s *config.Sink) {
			s.Queue = &pipeline.Queue{Depth: 1, OnFull: pipeline.DropOldest}
		})
		r.run(t.Context())
		if diff := cmp.Diff(count(0, 20), got.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOnWriteToldOfEachFrameWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.camera("cam", 3)
		r.stage("slow", "cam", func(context.Context, *pipeline.Frame) error {
			time.Sleep(10 * time.Millisecond)
			return nil
		})
		r.sink("out", "slow", through)
		var got []time.Duration
		r.cfg.OnWrite = func(sink string, f *pipeline.Frame, at time.Time) {
			got = append(got, at.Sub(f.Arrival))
		}
		st := r.run(t.Context())
		want := []time.Duration{10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("latencies (-want +got):\n%s", diff)
		}
		if st.Latency.Max != 10*time.Millisecond || st.Sinks[0].Latency.Count != 3 {
			t.Errorf("%+v", st.Latency)
		}
	})
}
