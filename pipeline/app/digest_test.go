package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// The summary as people read it.
func TestDigest(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := summary{CPUSeconds: 10.21, PeakMemory: 214_061_056, Pipelines: []*pipelineSummary{{
		Name: "quickstart", began: began,
		figures: figures{
			Seconds: 12.172, FPS: 25.797,
			Frames:           frameCounts{Received: 314, Decoded: 313, Dropped: map[string]uint64{"no_slot": 1, "loss": 2, "drain": 0}},
			Latency:          quantiles{P50: 4.718, P95: 50.331, P99: 167.772},
			KeyframeRequests: 1, Reconnects: 2,
			Commands: map[pipeline.Outcome]uint64{pipeline.CommandSent: 2, pipeline.CommandRefused: 1},
		},
		CommandList: []pipeline.CommandRecord{
			{Time: began.Add(-time.Second), Command: "reset", Outcome: pipeline.CommandSent, RoundTrip: 607 * time.Microsecond},
			{Time: began.Add(1500 * time.Millisecond), Command: "set_prompt", Args: map[string]any{"prompt": "rain"}, Outcome: pipeline.CommandSent, RoundTrip: 45 * time.Millisecond},
			{Time: began.Add(10 * time.Second), Command: "set_prompt", Args: map[string]any{"prompt": ""}, Outcome: pipeline.CommandRefused, Reason: "empty"},
		},
		Nodes: []nodeSummary{
			{Name: "cam", In: 314, Frames: 313, Dropped: map[string]uint64{"no_slot": 1}},
			{Name: "people_found", In: 313, Frames: 313, Errors: 3, Dropped: map[string]uint64{"overtaken": 280, "error": 2}, Process: quantiles{P50: 419.43, P95: 1288.2}},
			{Name: "steer", In: 313, Frames: 2, Skipped: map[string]uint64{"when": 303, "absent": 8}, Process: quantiles{P50: 0.206, P95: 0.21}},
		},
	}, {
		Name: "short", began: began, Error: "the disk is gone", figures: figures{Seconds: 0.3},
	}, {
		Name: "never", Error: "no server",
	}}}
	var text strings.Builder
	s.print(&text)
	const want = `
quickstart: 12.2 s
  frames     314 received, 313 decoded, 25.8 fps, dropped: 2 loss, 1 no slot
  latency    p50 4.7 ms, p95 50 ms, p99 168 ms from the last packet to the sinks
  network    1 keyframe request, 2 reconnects
  commands   1 refused, 2 sent
                start  reset {}: sent (0.6 ms)
                1.5 s  set_prompt {"prompt":"rain"}: sent (45 ms)
               10.0 s  set_prompt {"prompt":""}: refused: empty

  node            frames       p50       p95
  cam                313                      1 no slot
  people_found       313    419 ms   1288 ms  2 error, 280 overtaken, 1 other error
  steer                2    0.2 ms    0.2 ms  8 absent, 303 when

short: failed after 0.3 s
  frames     0 received, 0 decoded, 0.0 fps
  latency    p50 0.0 ms, p95 0.0 ms, p99 0.0 ms from the last packet to the sinks

  process    10.2 s of CPU, 214 MB of memory at most
`
	if diff := cmp.Diff(text.String(), want); diff != "" {
		t.Error(diff)
	}
}
