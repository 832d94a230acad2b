package app

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// describedMetrics are the names that /metrics describes; those of a histogram
// with what its series are called.
func describedMetrics(page string) map[string]bool {
	names := make(map[string]bool)
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(page, -1) {
		names[found[1]] = true
		if found[2] == "histogram" {
			names[found[1]+"_bucket"], names[found[1]+"_count"], names[found[1]+"_sum"] = true, true, true
		}
	}
	return names
}

// What the dashboard shows is there in a running pipeline, and what a pipeline
// tells of itself is on the dashboard.
func TestDashboard(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	// A command's effect is told once there was a command.
	told := strings.Replace(watching, "wait: 1s", "wait: 30s, start: [{command: set_brightness, data: {brightness: 1}}]", 1)
	path := write(t, "p.yaml", strings.ReplaceAll(told, "URL", srv.URL())+"stages: [{name: soft, type: blur}]\n")
	var v invocation
	v.start(t, "run", path, "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)
	_, page := ask(t, url+"/metrics")
	there := describedMetrics(page)
	// A source's drops are series once there are some.
	there["reactorpipe_source_dropped_total"] = true

	shown := make(map[string]bool)
	for _, p := range readBoard(t).Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			found := regexp.MustCompile(`\b(?:reactorpipe|process|go)_[a-z_]+`).FindAllString(target.Expr, -1)
			if len(found) == 0 {
				t.Errorf("panel %q: no metric in %s", p.Title, target.Expr)
			}
			for _, name := range found {
				shown[strings.TrimSuffix(name, "_bucket")] = true
				if !there[name] {
					t.Errorf("panel %q: there is no %s", p.Title, name)
				}
			}
		}
	}
	beside := []string{"reactorpipe_build_info", "reactorpipe_frames_in_total", "reactorpipe_source_received_total"}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		plain := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "reactorpipe_") && !shown[plain] && !slices.Contains(beside, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
	for _, line := range []string{
		`reactorpipe_pipeline_running{pipeline="p"} 1`, `reactorpipe_media_playing{pipeline="p"} 1`, `reactorpipe_pipeline_stuck{pipeline="p"} 0`,
		`reactorpipe_session_ready{pipeline="p",session="main"} 1`, `reactorpipe_commands_total{outcome="sent",pipeline="p"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no %s in:\n%s", line, page)
		}
	}
}

// The report for people has a line for each pipeline, session and node.
func TestVerbose(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	short := write(t, "r.yaml", "sources: {test: {pattern: bars, width: 32, height: 32, frames: 3}}\nsinks: [{name: out, type: discard}]\n")
	var v invocation
	v.start(t, "run", watch(t, srv.URL()), still(t, "q"), short, "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	newClient(t, url).until(t, "r", phaseEnded)
	probe(t, url+"/readyz?verbose", http.StatusOK, "[+]p pipeline: running, playing\n")
	want := regexp.MustCompile(`^\[\+\]p pipeline: running, playing
\[\+\]p session main: ready, http://\S+
\[\+\]p source cam: track, \d+ in, \d+ out(, \d+ dropped)?
\[\+\]p sink nowhere: discard, \d+ in, \d+ out
\[\+\]q pipeline: running, (playing|idle)
\[\+\]q source cam: file, \d+ in, \d+ out(, \d+ dropped)?
\[\+\]q stage soft: blur, \d+ in, \d+ out(, \d+ dropped)?
\[\+\]q sink out: discard, \d+ in, \d+ out
\[\+\]r pipeline: ended
\[\+\]r source test: pattern, 3 in, 3 out
\[\+\]r sink out: discard, 3 in, 3 out
readyz check passed
$`)
	if code, text := ask(t, url+"/readyz?verbose"); code != http.StatusOK || !want.MatchString(text) {
		t.Errorf("%d %s", code, text)
	}
	if code, text := ask(t, url+"/healthz?verbose"); code != http.StatusOK || !strings.HasSuffix(text, "\nhealthz check passed\n") {
		t.Errorf("%d %s", code, text)
	}
	failed := report{Pipelines: []pipelineReport{pipelineView{
		Name: "p", Phase: phaseFailed, Error: "the disk is gone", Drift: "no set_prompt",
		Sessions: []sessionView{{Name: "main", Model: "reactor/x2", Status: "reconnecting"}},
		Nodes:    []nodeView{{Name: "deaf", Role: roleStage, Type: "stuck", In: 3, Out: 1, Errors: 1, Dropped: map[string]uint64{"deadline": 2}, Hanging: true}},
	}.report()}}
	const text = "[-]p pipeline: failed, the disk is gone\n" +
		"[-]p session main: reconnecting, reactor/x2\n" +
		"[-]p model: no set_prompt\n" +
		"[-]p stage deaf: stuck, 3 in, 1 out, 1 error, 2 dropped, a call does not return\n" +
		"readyz check failed\n"
	if got := failed.verbose("readyz"); got != text {
		t.Errorf("got:\n%s", got)
	}
}
