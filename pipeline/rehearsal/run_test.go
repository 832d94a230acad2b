package rehearsal

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crowd is a stage that sees nobody, and two people from one second on.
const crowd = `
    stages:
      people:
        results:
          - {at: 0s, sets: {detections: []}}
          - {at: 1s, sets: {detections: [{label: a, score: 0.5}, {label: b, score: 0.9}]}}
`

// What is scripted happens at its time, and what comes of it is as in a run. Each
// of these tests passes.
func TestPasses(t *testing.T) {
	tests := []struct{ name, set, test string }{
		{"a command at its frame", "", `
    sources: {cam: {frames: 50}}` + crowd + `
    expect:
      commands: [{command: go, data: {n: 2}, at: 1s, node: steer}]
      sinks: {list: 50, steer: 1, said: 0}
      drops: {}
`},
		{"numbers of frames and what they carry", "", `
    sources: {cam: {frames: 50}}` + crowd + `
    expect:
      frames:
        - {sink: list, frame: 24, annotations: {people: {detections: []}}}
        - {sink: list, frame: 25, at: 1s, annotations: {people: {detections: [{label: a}, {score: 0.85..0.95}]}}}
        - {sink: list, at: 1s.., that: "len(people.detections) == 2"}
        - {sink: list, frame: 25.., annotations: {people: {detections: [{score: 0.6}, {score: 0.8}]}}, tolerance: 0.11}
`},
		{"rate", "[people.rate=5fps]", `
    sources: {cam: {frames: 50}}
    expect: {skips: {people: {rate: 40}}}
`},
		{"rate, ttl, held and fresh", "[people.rate=1fps, people.ttl=400ms]", `
    sources: {cam: {frames: 50}}
    expect:
      frames:
        - {sink: list, frame: 0, that: people.origin.fresh}
        - {sink: list, frame: 1..10, that: "!people.origin.fresh && people.origin.age <= 0.4"}
        - {sink: list, frame: 11..24, annotations: {people: null}}
`},
		{"hold and cooldown", "[steer.when=people.measurements.since < 1 || people.measurements.since > 10, steer.edge=while, steer.hold=200ms, steer.cooldown=1s, steer.config.data=, steer.config.dry_run=true]", `
    sources: {cam: {frames: 50}}
    expect:
      commands:
        - {command: go, at: 640ms, outcome: dry_run}
        - {command: go, at: 1.64s, outcome: dry_run}
`},
		{"a stage that takes longer than frames come", "", `
    sources: {cam: {frames: 50}}
    stages: {people: {takes: 150ms}}
    expect:
      drops: {cam: {no_slot: 35}}
      sinks: {list: 15}
`},
		{"an async stage that takes its time", "[people.async=true]", `
    sources: {cam: {frames: 50}}
    stages: {people: {takes: 150ms}}
    expect:
      drops: {people: {overtaken: 35..37}}
      sinks: {list: 50}
      frames: [{sink: list, frame: 4.., that: people.origin.age > 0.15 && people.origin.age < 0.35}]
`},
		{"a deadline", "[people.deadline=1s]", `
    sources: {cam: {frames: 50}}
    stages: {people: {takes: 1.5s}}
    expect:
      drops: {cam: {no_slot: 33}, people: {deadline: 2}}
      skips: {people: {bypassed: 15}}
      errors: {people: 2}
`},
		{"frames that a stage fails on", "", `
    sources: {cam: {frames: 10}}
    stages: {people: {fails: [3, 5..6]}}
    expect:
      errors: {people: 3}
      drops: {people: {error: 3}}
      sinks: {list: 7}
`},
		{"and are passed on", "[people.on_error=pass]", `
    sources: {cam: {frames: 10}}
    stages: {people: {fails: [3]}}
    expect: {errors: {people: 1}, drops: {}, sinks: {list: 10}, frames: [{sink: list, frame: 3, annotations: {people: null}}]}
`},
		{"or stop the run", "[people.on_error=stop]", `
    sources: {cam: {frames: 10}}
    stages: {people: {fails: [3]}}
    expect: {fails: 'stage "people": fails as the test says'}
`},
		{"a panic", "[people.config.does=panic]", `
    sources: {cam: {frames: 10}}
    expect: {errors: {people: 10}, drops: {people: {panic: 10}}}
`},
		{"a stage that ends the run", "[people.config.does=stop]", `
    sources: {cam: {frames: 10}}
    expect: {fails: worn out}
`},
		{"a stage that hangs", "[people.config.does=hang, people.deadline=1s]", `
    sources: {cam: {frames: 50}}
    expect: {errors: {people: 2}, drops: {people: {deadline: 2}, cam: {no_slot: 46}}}
`},
		{"a stage that asks something outside", "[people.config.does=ask]", `
    sources: {cam: {frames: 50}}
    stages: {people: {outside: true}}
    outages: [{at: 1s, reason: renewal}]
    expect: {drops: {}, sinks: {list: 50}, frames: [{sink: list, frame: 30, annotations: {people: {measurements: {since: 5, breaks: 1}}}}]}
`},
		{"a panic outside", "[people.config.does=panic]", `
    sources: {cam: {frames: 10}}
    stages: {people: {outside: true}}
    expect: {errors: {people: 10}, drops: {people: {panic: 10}}}
`},
		{"messages", "", `
    sources: {cam: {frames: 1}}
    messages:
      - {at: 1s, type: state, data: {mode: idle}}
      - {at: 2s, type: other}
      - {at: 3s, type: state, data: {mode: busy, n: 3}}
    expect:
      sinks: {said: 2}
      frames:
        - {sink: said, at: 1s, message: {type: state, data: {mode: idle}}}
        - {sink: said, frame: 1, message: {data: {n: 2..3}}, that: "state.data.mode == 'busy'"}
`},
		{"the last message", `["steer.when=state.data.mode == 'busy'", steer.config.data=]`, `
    sources: {cam: {frames: 50}}
    messages: [{at: 1s, type: state, data: {mode: busy}}]
    expect: {commands: [{command: go, at: 1s}]}
`},
		{"a refusal, once", "[steer.edge=while, steer.cooldown=400ms]", `
    sources: {cam: {frames: 50}}` + crowd + `
    replies: [{command: go, data: {n: 2}, refuse: too many, times: 1}]
    expect:
      commands:
        - {command: go, at: 1s, outcome: refused, reason: many}
        - {command: go, at: 1.4s}
        - {command: go, at: 1.8s}
`},
		{"a reply that takes its time", "[steer.edge=while]", `
    sources: {cam: {frames: 30}}` + crowd + `
    replies: [{command: go, after: 100ms, type: done}]
    expect:
      commands:
        - {command: go, at: 1s}
        - {command: go, at: 1.04s, outcome: superseded}
        - {command: go, at: 1.08s}
        - {command: go, at: 1.12s, outcome: superseded}
        - {command: go, at: 1.16s}
`},
		{"a reply that does not come", "[steer.config.timeout=500ms]", `
    sources: {cam: {frames: 50}}` + crowd + `
    replies: [{command: go, lost: true}]
    expect: {commands: [{command: go, outcome: failed, reason: no reply within 500ms}]}
`},
		{"duplicates", "[steer.edge=while, steer.cooldown=400ms, steer.config.dedupe=true]", `
    sources: {cam: {frames: 50}}` + crowd + `
    expect: {commands: [{command: go}]}
`},
		{"duplicates that are expected", "[steer.edge=while, steer.cooldown=400ms, steer.config.dedupe=true]", `
    sources: {cam: {frames: 50}}` + crowd + `
    expect: {commands: [{command: go}, {command: go, outcome: deduped}, {command: go, outcome: deduped}]}
`},
		{"a decision that waits for the session", "", `
    sources: {cam: {frames: 100}}` + strings.Replace(crowd, "1s", "2s", 1) + `
    outages: [{at: 1s, for: 500ms}]
    expect:
      commands: [{command: go, at: 2s}]
      sinks: {list: 87}
      frames:
        - {sink: list, frame: 24, at: 960ms}
        - {sink: list, frame: 25, at: 1.52s}
`},
		{"a session that is back says so", "[steer.from=state, steer.when=state.data.go, steer.edge=while, steer.config.data=]", `
    sources: {cam: {frames: 1}}
    messages: [{at: 1.2s, type: state, data: {go: true}}, {at: 1.6s, type: state, data: {go: true}}]
    outages: [{at: 1s, for: 500ms}]
    expect: {commands: [{command: go, at: 1.2s}, {command: go, at: 1.6s}]}
`},
		{"an async stage is done before the next picture", "[people.async=true]", `
    sources: {cam: {frames: 10}}
    expect:
      drops: {}
      frames:
        - {sink: list, frame: 0, annotations: {people: null}}
        - {sink: list, frame: 1.., that: "people.origin.fresh && people.origin.seq == frame.seq - 1"}
`},
		{"a break is told", "", `
    sources: {cam: {frames: 50}}
    outages: [{at: 1s, reason: renewal}]
    expect:
      frames:
        - {sink: list, frame: 24, annotations: {people: {measurements: {since: 24, breaks: 0}}}}
        - {sink: list, frame: 25, annotations: {people: {measurements: {since: 0, breaks: 1}}}}
`},
		{"a decision that waits too long", "[steer.from=state, steer.when=state.data.go, steer.config.data=]", `
    sources: {cam: {frames: 1}}
    messages: [{at: 1.5s, type: state, data: {go: true}}]
    outages: [{at: 1s, for: 3s}]
    duration: 5s
    expect: {commands: [{command: go, at: 1.5s, outcome: expired, reason: waited longer than 2s}]}
`},
		{"start, and what it waits for", "['session.start=[{command: begin, wait: ready}]']", `
    sources: {cam: {frames: 5}}
    messages: [{at: 2s, type: ready}]
    expect:
      commands: []
      frames: [{sink: list, frame: 0, at: 2s}]
`},
		{"start, and what answers it", "['session.start=[{command: begin, wait: ready}]']", `
    sources: {cam: {frames: 5}}
    replies: [{command: begin, says: ready, after: 1s}]
    expect: {frames: [{sink: list, frame: 0, at: 1s}]}
`},
		{"a later first picture", "", `
    sources: {cam: {frames: 5, after: 3s, fps: 10}}
    expect: {frames: [{sink: list, frame: 4, at: 3.4s}]}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := "tests:\n  - name: it\n"
			if tt.set != "" {
				file += "    set: " + tt.set + "\n"
			}
			if got := rehearse(t, street, file+tt.test); got != "" {
				t.Errorf("failed:\n%s", got)
			}
		})
	}
}

// With the model's schema a command is checked as the model would: its name and
// constants at the begin, what is computed as it is sent.
func TestSchema(t *testing.T) {
	schema, err := filepath.Abs("../../sdk/testdata/brightness.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	test := `tests:
  - name: computed
    schema: ` + schema + `
    set: [steer.config.command=set_brightness, 'steer.config.data={brightness: "{{ len(people.detections) * 100 }}"}']
    sources: {cam: {frames: 50}}` + crowd + `
    expect: {commands: [{command: set_brightness, outcome: refused, reason: above the maximum of 2}]}
  - name: constant
    schema: ` + schema + `
    set: [steer.config.command=set_brightness, 'steer.config.data={brightnes: 2}']
    sources: {cam: {frames: 50}}
    expect: {fails: 'brightnes: unexpected argument'}
`
	if got := rehearse(t, street, test); got != "" {
		t.Errorf("failed:\n%s", got)
	}
}

func TestOtherPipelines(t *testing.T) {
	tests := []struct{ name, pipeline, test string }{
		{"messages only", `
session: {url: "http://localhost:8080"}
sources: {state: {message: state}}
sinks: [{name: steer, type: command, when: state.data.go, config: {command: go}}]
`, `
    messages: [{at: 1s, type: state, data: {go: true}}]
    expect: {commands: [{command: go, at: 1s}]}
`},
		{"no session, and pictures of its own", `
sources: {cam: {endless: true}}
stages: [{name: people, type: see}]
sinks: [{name: list, type: file}]
`, `
    duration: 2s
    expect: {sinks: {list: 21}}
`},
		{"two sessions, two sources", `
sessions: {main: {url: "http://localhost:8080"}, second: {url: "http://localhost:8081"}}
sources:
  a: {track: main_video, session: main}
  b: {track: main_video, session: second}
stages:
  - {name: people, type: see, from: a}
sinks:
  - {name: here, type: command, from: people, when: "people.measurements.since == 10", session: second, config: {command: go}}
  - {name: other, type: command, from: b, when: "frame.seq == 10", session: main, config: {command: go}}
  - {name: list, type: file, from: b}
`, `
    sources: {a: {frames: 50}, b: {frames: 50}}
    replies: [{command: go, session: second, refuse: no}]
    outages: [{at: 1s, for: 200ms, session: second}]
    expect:
      commands:
        - {command: go, node: here, at: 400ms, outcome: refused}
        - {command: go, node: other, at: 400ms}
      sinks: {list: 45}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rehearse(t, tt.pipeline, "tests:\n  - name: it\n"+tt.test); got != "" {
				t.Errorf("failed:\n%s", got)
			}
		})
	}
}

// What fails says where it was expected, and how it differs.
func TestFails(t *testing.T) {
	tests := []struct{ name, pipeline, test, want string }{
		{"a command that differs", street, `
    sources: {cam: {frames: 50}}` + crowd + `
    expect:
      commands: [{command: go, data: {n: 3}, at: 2s..3s}]
`, `11: commands differ
- - at: 2s..3s
+ - at: 1s
    command: go
    data:
-     n: 3
+     n: 2
    outcome: sent
`},
		{"a command that is refused", street, `
    sources: {cam: {frames: 50}}` + crowd + `
    replies: [{command: go, refuse: too many}]
    expect:
      commands: [{command: go}]
`, `12: commands differ
  - command: go
-   outcome: sent
+   outcome: refused
+   reason: too many
`},
		{"one command more, one less", street, `
    set: [steer.edge=while, steer.cooldown=400ms]
    sources: {cam: {frames: 50}}` + crowd + `
    expect:
      commands:
        - {command: stop}
        - {command: go, at: 1s}
        - {command: go, at: 1.8s}
`, `12: commands differ
- - command: stop
-   outcome: sent
  - at: 1s
    command: go
    outcome: sent
+ - at: 1.4s
+   command: go
+   data:
+     n: 2
+   outcome: sent
  - at: 1.8s
    command: go
    outcome: sent
`},
		{"none", street, `
    sources: {cam: {frames: 5}}
    expect:
      commands: [{command: go}]
      sinks: {list: 6..}
      frames:
        - {sink: list, frame: 7}
        - {sink: list, that: "people.measurements.since < 3"}
        - {sink: list, frame: 0, that: "people.detections[0].score > 0.5"}
        - {sink: list, frame: 1, annotations: {people: {measurements: {since: 2, other: 1}}}}
      drops: {cam: {no_slot: 2}, list: {}}
      errors: {people: 1}
      fails: something
`, `5: wants 1 command, got 0
- - command: go
-   outcome: sent
+ []
6: sink "list": wants 6.. frames, got 5
8: sink "list": frame 7 did not reach it; it got 0..4
9: sink "list": frame 3 at 120ms: not true: people.measurements.since < 3, and so with 1 more of 5
  annotations:
    people:
      measurements:
        breaks: 0
        since: 3
10: sink "list": frame 0 at 0s: not true: people.detections[0].score > 0.5 (something in it is absent)
  annotations:
    people:
      measurements:
        breaks: 0
        since: 0
11: sink "list": frame 1 at 40ms
  annotations:
    people:
      measurements:
-       other: 1
-       since: 2
+       since: 1
12: drops
  cam:
-   no_slot: 2
+   no_slot: 0
  list: {}
13: people: wants 1 errors, got 0
14: the run ends well, and should fail with "something"
`},
		{"drops that nobody expected, and an error", street, `
    set: [people.config.does=panic]
    sources: {cam: {frames: 2}}
    expect:
      drops: {}
`, `5: people: wants no errors, got 2 (panicked: panic: no)
6: drops
- {}
+ people:
+   panic: 2
`},
		{"a run that fails", street, `
    set: [people.config.does=stop]
    sources: {cam: {frames: 2}}
    expect: {sinks: {list: 2}}
`, `2: the run failed: stage "people": worn out: fatal
`},
		{"a run that fails otherwise", street, `
    set: [people.config.does=stop]
    sources: {cam: {frames: 2}}
    expect: {fails: too dark}
`, `5: the run failed otherwise
- too dark
+ 'stage "people": worn out: fatal'
`},
		{"a start that waits for nothing", street, `
    set: ['session.start=[{command: begin, wait: ready}]', session.wait=7s]
    sources: {cam: {frames: 2}}
`, `2: the run failed: session "main": start: the model did not say "ready" within 7s
`},
		{"pictures without end", `
sources: {cam: {endless: true}}
sinks: [{name: list, type: file}]
`, ``, `2: the run failed: source "cam": the pictures do not end within 10m0s: say how long the test lasts (duration)
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rehearse(t, tt.pipeline, "tests:\n  - name: it\n"+strings.TrimPrefix(tt.test, "\n"))
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}
