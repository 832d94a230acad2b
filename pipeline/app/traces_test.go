package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline/traces/tracestest"
)

// A run sends a trace for each frame, with all of its way in it: what it caused
// at the model, too.
func TestTraces(t *testing.T) {
	receiver := tracestest.New(t)
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "always_on",
		"OTEL_SERVICE_NAME": "crosswalk", "OTEL_EXPORTER_OTLP_HEADERS": "tenant=street", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	}
	for name, value := range env {
		t.Setenv(name, value) // OpenTelemetry reads them itself
	}
	srv := serve(t, paintable)
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
stages: [{name: soft, type: blur}]
sinks:
  - {name: nowhere, type: discard}
  - {name: steer, type: command, when: frame.seq >= 3, config: {command: set_brightness, data: {brightness: 1}}}
  - {name: wrong, type: command, when: frame.seq >= 3, config: {command: set_prompt, data: {prompt: "{{ frame.seq }}"}}}
`, "URL", srv.URL()))
	v := invocation{env: env}
	if code := v.main(t, "run", path, "--frames", "30"); code != 0 {
		t.Fatalf("code %d:\n%s", code, v.err.String())
	}
	all := receiver.Traces()
	whole := []string{
		"queue cam", "decode cam", "queue soft", "stage soft", "queue nowhere", "sink nowhere",
		"queue steer", "sink steer", "command set_brightness",
	}
	caused := func(command string) tracestest.Trace {
		i := slices.IndexFunc(all, func(tr tracestest.Trace) bool { _, ok := tr.Find("command " + command); return ok })
		if i < 0 {
			t.Fatalf("the frame that caused %s is not among %d:\n%s", command, len(all), v.err.String())
		}
		return all[i]
	}
	got := caused("set_brightness")
	if got.Root.GetName() != "frame cam" || got.Root.Attrs["pipeline"] != "p" || got.Root.Attrs["stream"] != "cam" || got.Root.Attrs["width"] == "" {
		t.Errorf("root %s %v", got.Root.GetName(), got.Root.Attrs)
	}
	for _, name := range whole {
		s, ok := got.Find(name)
		if !ok {
			t.Errorf("no %q among %v", name, got.Names())
			continue
		}
		if s.GetStartTimeUnixNano() < got.Root.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() > got.Root.GetEndTimeUnixNano() || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
			t.Errorf("%q does not lie within its frame", name)
		}
	}
	if c, _ := got.Find("command set_brightness"); c.Attrs["outcome"] != "sent" || c.Attrs["node"] != "steer" || c.Attrs["round_trip_ms"] == "" {
		t.Errorf("command %v", c.Attrs)
	}
	if !slices.ContainsFunc(all, func(tr tracestest.Trace) bool { _, ok := tr.Find("receive cam"); return ok }) {
		t.Error("no frame came in several packets")
	}
	if c, _ := caused("set_prompt").Find("command set_prompt"); c.Attrs["outcome"] != "refused" || c.GetStatus().GetMessage() == "" {
		t.Errorf("command %v, status %v", c.Attrs, c.GetStatus())
	}
	if r := receiver.Resource(); r["service.name"] != "crosswalk" || r["service.version"] == "" {
		t.Errorf("resource %v", r)
	}
	if h := receiver.Headers(); h.Get("tenant") != "street" {
		t.Errorf("headers %v", h)
	}
}

// Without an endpoint nothing is recorded, and nothing counts it.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	var v invocation
	v.start(t, "run", watch(t, serve(t).URL()), "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)
	if _, page := ask(t, url+"/metrics"); strings.Contains(page, "reactorpipe_traces_") {
		t.Error("traces are counted")
	}
}
