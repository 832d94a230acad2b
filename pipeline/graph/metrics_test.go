package graph_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// counting is a source that knows its counts.
type counting struct{ *feed }

func (counting) Counts() pipeline.SourceCounts {
	return pipeline.SourceCounts{Received: 12, Decoded: 11, Dropped: map[string]uint64{"keyframe": 1}, Reconnects: 2}
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		r := newRig(t, 2)
		r.cfg.Metrics = registry
		r.addSource("cam", false, counting{&feed{rig: r, frames: 10, every: period, isLive: true}})
		r.stageOf("look", "cam", func(env pipeline.Env) pipeline.Stage {
			found := env.Metrics.Counter("found_total", "Things found.")
			size := env.Metrics.Gauge("size_pixels", "Size of the last.")
			return pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error {
				found(1)
				size(float64(f.Seq))
				time.Sleep(20 * time.Millisecond)
				if f.Seq == 4 {
					return pipeline.ErrDrop
				}
				return nil
			})
		}, func(s *config.Stage) { s.Workers = 2 })
		var got string
		r.sink("out", "look", func(_ context.Context, f *pipeline.Frame) error {
			if f.Seq == 9 {
				synctest.Wait()
				got = shown(registry)
			}
			return nil
		})
		other := newRig(t, 1) // a second pipeline may have the same nodes
		other.spec.Name = "other"
		other.cfg.Metrics = registry
		other.source("cam", 1)
		g := other.build()
		r.run(t.Context())
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(wantMetrics, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if left, err := registry.Gather(); err != nil || len(left) > 0 {
			t.Errorf("metrics left after the run: %v %v", left, err)
		}
	})
}

// shown returns what Prometheus is told, timings and comments left out.
func shown(registry *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var lines strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_seconds_") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

const wantMetrics = `reactorpipe_errors_total{node="cam",pipeline="other"} 0
reactorpipe_errors_total{node="cam",pipeline="test"} 0
reactorpipe_errors_total{node="look",pipeline="test"} 0
reactorpipe_errors_total{node="out",pipeline="test"} 0
reactorpipe_frames_dropped_total{node="cam",pipeline="other",reason="drain"} 0
reactorpipe_frames_dropped_total{node="cam",pipeline="other",reason="no_slot"} 0
reactorpipe_frames_dropped_total{node="cam",pipeline="other",reason="reload"} 0
reactorpipe_frames_dropped_total{node="cam",pipeline="test",reason="drain"} 0
reactorpipe_frames_dropped_total{node="cam",pipeline="test",reason="no_slot"} 0
reactorpipe_frames_dropped_total{node="cam",pipeline="test",reason="reload"} 0
reactorpipe_frames_dropped_total{node="look",pipeline="test",reason="deadline"} 0
reactorpipe_frames_dropped_total{node="look",pipeline="test",reason="drain"} 0
reactorpipe_frames_dropped_total{node="look",pipeline="test",reason="error"} 0
reactorpipe_frames_dropped_total{node="look",pipeline="test",reason="panic"} 0
reactorpipe_frames_dropped_total{node="look",pipeline="test",reason="reload"} 0
reactorpipe_frames_dropped_total{node="look",pipeline="test",reason="stage"} 1
reactorpipe_frames_dropped_total{node="out",pipeline="test",reason="drain"} 0
reactorpipe_frames_dropped_total{node="out",pipeline="test",reason="error"} 0
reactorpipe_frames_dropped_total{node="out",pipeline="test",reason="panic"} 0
reactorpipe_frames_dropped_total{node="out",pipeline="test",reason="queue_full"} 0
reactorpipe_frames_dropped_total{node="out",pipeline="test",reason="reload"} 0
reactorpipe_frames_in_total{node="cam",pipeline="other"} 0
reactorpipe_frames_in_total{node="cam",pipeline="test"} 10
reactorpipe_frames_in_total{node="look",pipeline="test"} 10
reactorpipe_frames_in_total{node="out",pipeline="test"} 10
reactorpipe_frames_out_total{node="cam",pipeline="other"} 0
reactorpipe_frames_out_total{node="cam",pipeline="test"} 10
reactorpipe_frames_out_total{node="look",pipeline="test"} 9
reactorpipe_frames_out_total{node="out",pipeline="test"} 8
reactorpipe_frames_skipped_total{node="look",pipeline="test",reason="absent"} 0
reactorpipe_frames_skipped_total{node="look",pipeline="test",reason="bypassed"} 0
reactorpipe_frames_skipped_total{node="look",pipeline="test",reason="rate"} 0
reactorpipe_frames_skipped_total{node="look",pipeline="test",reason="when"} 0
reactorpipe_frames_skipped_total{node="out",pipeline="test",reason="absent"} 0
reactorpipe_frames_skipped_total{node="out",pipeline="test",reason="rate"} 0
reactorpipe_frames_skipped_total{node="out",pipeline="test",reason="when"} 0
reactorpipe_hanging_calls{node="look",pipeline="test"} 0
reactorpipe_hanging_calls{node="out",pipeline="test"} 0
reactorpipe_in_flight_frames{node="cam",pipeline="other"} 0
reactorpipe_in_flight_frames{node="cam",pipeline="test"} 0
reactorpipe_kept_frames{node="look",pipeline="test"} 0
reactorpipe_kept_frames{node="out",pipeline="test"} 0
reactorpipe_panics_total{node="cam",pipeline="other"} 0
reactorpipe_panics_total{node="cam",pipeline="test"} 0
reactorpipe_panics_total{node="look",pipeline="test"} 0
reactorpipe_panics_total{node="out",pipeline="test"} 0
reactorpipe_queued_frames{node="look",pipeline="test"} 0
reactorpipe_queued_frames{node="out",pipeline="test"} 0
reactorpipe_source_decoded_total{node="cam",pipeline="test"} 11
reactorpipe_source_dropped_total{node="cam",pipeline="test",reason="keyframe"} 1
reactorpipe_source_keyframe_requests_total{node="cam",pipeline="test"} 0
reactorpipe_source_received_total{node="cam",pipeline="test"} 12
reactorpipe_source_reconnects_total{node="cam",pipeline="test"} 2
reactorpipe_source_renewals_total{node="cam",pipeline="test"} 0
reactorpipe_test_found_total{node="look",pipeline="test"} 10
reactorpipe_test_size_pixels{node="look",pipeline="test"} 9
`
