package plan_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type settings struct{}

type trackConfig struct {
	Track string `yaml:"track"`
}

type stateConfig struct {
	Message string `yaml:"message"`
}

type programConfig struct {
	Counts bool `yaml:"counts"`
}

// Sets lowers what the kind sets.
func (c *programConfig) Sets() []pipeline.AnyKind {
	if c.Counts {
		return []pipeline.AnyKind{pipeline.Measurements}
	}
	return []pipeline.AnyKind{pipeline.Detections, pipeline.Measurements}
}

// registry has one kind for each thing that can be done with pixels.
func registry() *pipeline.Registry {
	r := pipeline.NewRegistry()
	pipeline.RegisterSource(r, pipeline.SourceKind[trackConfig]{Name: "track", Session: true})
	pipeline.RegisterSource(r, pipeline.SourceKind[stateConfig]{Name: "message", Session: true, Messages: true})
	stage := func(name string, p pipeline.Pixels, sets ...pipeline.AnyKind) {
		pipeline.RegisterStage(r, pipeline.StageKind[settings]{Name: name, Pixels: p, Sets: sets, Stateless: true})
	}
	stage("find", pipeline.Pixels{Read: pipeline.Gray}, pipeline.Detections)
	stage("look", pipeline.Pixels{Read: pipeline.BGR}, pipeline.Detections)
	stage("follow", pipeline.Pixels{}, pipeline.Detections)
	stage("draw", pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit})
	stage("resize", pipeline.Pixels{Read: pipeline.Native, Write: pipeline.Reshape})
	pipeline.RegisterStage(r, pipeline.StageKind[programConfig]{
		Name: "program", Sets: []pipeline.AnyKind{pipeline.Detections, pipeline.Measurements},
	})
	sink := func(name string, p pipeline.Pixels, q pipeline.Queue) {
		pipeline.RegisterSink(r, pipeline.SinkKind[settings]{Name: name, Pixels: p, Queue: q})
	}
	sink("record", pipeline.Pixels{Read: pipeline.Native}, pipeline.Queue{})
	sink("page", pipeline.Pixels{Read: pipeline.BGR}, pipeline.Queue{Depth: 1, OnFull: pipeline.DropOldest})
	sink("lines", pipeline.Pixels{}, pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest})
	return r
}

const head = "session: {model: a/b}\nsources: {cam: {track: main_video}}\n"

func of(t *testing.T, text string) *plan.Plan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipeline.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := config.Load(path, registry(), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Of(spec)
}

// Where pixels are converted, copied or shared, and why.
func TestWork(t *testing.T) {
	tests := []struct {
		name, graph string
		want        []string // of all nodes, in the order of the graph
	}{
		{
			"nobody looks", "sinks: [{name: out, type: lines}]",
			nil,
		},
		{
			"native is taken as it is", "sinks: [{name: out, type: record}]",
			nil,
		},
		{
			"one view for all", "stages: [{name: a, type: find}, {name: b, type: find}, {name: c, type: look}]\nsinks: [{name: out, type: page}]",
			[]string{
				"a converts native → gray, 0.75 ms/megapixel: once for all who look at this picture",
				"b shares gray: converted for a",
				"c converts native → bgr, 0.55 ms/megapixel: once for all who look at this picture",
				"out shares bgr: converted for c",
			},
		},
		{
			"the first to change a decoded picture has it converted anyway", "stages: [{name: a, type: draw}, {name: b, type: draw}]\nsinks: [{name: out, type: lines}]",
			[]string{
				"a converts native → bgr, 0.55 ms/megapixel: straight into pixels of its own, which it changes",
				"b shares bgr: it changes them in place: nobody else holds them",
			},
		},
		{
			"two branches that change", "stages: [{name: a, type: resize}, {name: b, type: draw, from: a}, {name: c, type: draw, from: a}]\nsinks: [{name: r1, type: page, from: b}, {name: r2, type: page, from: c}]",
			[]string{
				"b copies bgr, 0.12 ms/megapixel: it changes them, and c may hold the same",
				"c copies bgr, 0.12 ms/megapixel: it changes them, and b may hold the same",
			},
		},
		{
			"a sink holds what comes before", "stages: [{name: a, type: resize}, {name: b, type: draw}]\nsinks: [{name: raw, type: page, from: a}, {name: out, type: lines}]",
			[]string{
				"b copies bgr, 0.12 ms/megapixel: it changes them, and raw may hold the same",
			},
		},
		{
			"what a join took in has let go", "stages: [{name: a, type: resize}, {name: p, type: look}, {name: b, type: draw, from: a, with: [p]}]\nsinks: [{name: out, type: lines}]",
			[]string{
				"b shares bgr: it changes them in place: nobody else holds them",
			},
		},
		{
			"but not who looks beside the line", "stages: [{name: a, type: resize}, {name: p, type: look, async: true}, {name: b, type: draw, from: a, with: [p]}]\nsinks: [{name: out, type: lines}]",
			[]string{
				"b copies bgr, 0.12 ms/megapixel: it changes them, and p may hold the same",
			},
		},
		{
			"gray of what was drawn, and an encoder", "stages: [{name: a, type: draw}, {name: p, type: find}]\nsinks: [{name: rec, type: record}]",
			[]string{
				"a converts native → bgr, 0.55 ms/megapixel: straight into pixels of its own, which it changes",
				"p converts bgr → gray, 0.2 ms/megapixel: once for all who look at this picture",
				"rec converts bgr → i420, 0.45 ms/megapixel: for its encoder",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, n := range of(t, head+tt.graph).Nodes {
				for _, w := range n.Work {
					got = append(got, n.Name+" "+w.String())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const crosswalk = `
name: crosswalk
session: {model: a/b}
sources: {cam: {track: main_video}, state: {message: state}}
stages:
  - {name: people, type: find, from: cam, async: true, ttl: 2s}
  - {name: ids, type: follow}
  - {name: boxes, type: draw, from: cam, with: [ids]}
  - {name: small, type: look, from: cam, rate: 2fps}
  - {name: four, type: look, from: cam, workers: 2}
sinks:
  - {name: end, type: lines, from: ids, when: len(ids.detections) > 3}
  - {name: video, type: record, from: boxes, queue: {on_full: block}}
  - {name: page, type: page, from: boxes, rate: 5fps}
  - {name: said, type: lines, from: state}
`

func TestForms(t *testing.T) {
	p := of(t, crosswalk)
	asJSON, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"crosswalk.txt": p.Text(), "crosswalk.mmd": p.Mermaid(), "crosswalk.json": string(asJSON),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if !json.Valid(asJSON) {
		t.Error("not JSON")
	}
}

// A stage sets what its configuration makes of what its kind sets.
func TestSets(t *testing.T) {
	p := of(t, head+"stages: [{name: a, type: program}, {name: b, type: program, config: {counts: true}}, {name: c, type: draw}]\nsinks: [{name: out, type: lines}]")
	got := make(map[string][]string)
	for _, n := range p.Nodes {
		if n.Part == "stage" {
			got[n.Name] = n.Sets
		}
	}
	want := map[string][]string{"a": {"detections", "measurements"}, "b": {"measurements"}, "c": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The order of a plan is that of the graph, not of the file.
func TestOrder(t *testing.T) {
	p := of(t, head+"stages: [{name: b, type: follow, from: a}, {name: a, type: find, from: cam}]\nsinks: [{name: out, type: lines, from: b}]")
	var names []string
	for _, n := range p.Nodes {
		names = append(names, n.Name)
	}
	if got := strings.Join(names, " "); got != "cam a b out" {
		t.Errorf("got %s", got)
	}
}

// A sink that takes sound says whose.
func TestSound(t *testing.T) {
	p := plan.Of(&config.Spec{
		Sources: []config.Source{{Name: "cam"}},
		Sinks:   []config.Sink{{Node: config.Node{Name: "video", From: "cam"}, Audio: "cam"}, {Node: config.Node{Name: "mute", From: "cam"}}},
	})
	for _, n := range p.Nodes {
		if n.Part == "sink" && strings.HasSuffix(n.Runs, "; with the sound of cam") != (n.Name == "video") {
			t.Errorf("%s: %s", n.Name, n.Runs)
		}
	}
}
