package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// The quickstart, as it is planned.
func TestPlan(t *testing.T) {
	const file = "../../configs/quickstart.yaml"
	tests := []struct {
		format string
		want   []string
	}{
		{"text", []string{
			"stage people: people_detect, from cam\n  in     native\n         converts native → gray, 0.75 ms/megapixel: once for all who look at this picture\n" +
				"  runs   beside the line, on the newest frame; the last result is held for 2s\n",
			"sink events: jsonl, from people\n  in     native, which it does not look at\n",
			"  people: 2 frames with pixels (the newest takes the place of the one that waits)\n",
		}},
		{"mermaid", []string{"flowchart LR\n", "  n_cam -.->|native| n_people\n", "  n_people ==>|annotations| n_boxes\n"}},
		{"json", []string{`"carries": "annotations"`}},
	}
	for _, tt := range tests {
		t.Run(tt.format, func(t *testing.T) {
			var v invocation
			if code := v.main(t, "plan", file, "--format", tt.format); code != exitDone {
				t.Fatalf("exit %d: %s", code, v.err.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(v.out.String(), want) {
					t.Errorf("no %q in:\n%s", want, v.out.String())
				}
			}
			if tt.format == "json" && !json.Valid([]byte(v.out.String())) {
				t.Error("not JSON")
			}
		})
	}
}
