package rehearsal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every mistake is told with its line, all of them at once.
func TestMistakes(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", "street_test.yaml: is empty"},
		{"no tests", "set: [name=x]\n", "street_test.yaml:1: tests: a file has at least one"},
		{"a misspelt key", "test:\n  - name: it\n", `street_test.yaml:1: unknown field "test", did you mean "tests"?`},
		{"a misspelt key of a test", "tests:\n  - nam: it\n", `street_test.yaml:2: unknown field "nam" in tests[0], did you mean "name"?`},
		{
			"a misspelt key deep down", "tests:\n  - name: it\n    expect:\n      commands:\n        - {comand: go}\n",
			`street_test.yaml:5: unknown field "comand" in tests[0].expect.commands[0], did you mean "command"?`,
		},
		{
			"nothing to be outside", with("stages: {people: {outside: true, results: [{at: 1s}]}}"),
			"street_test.yaml:4: tests[0].stages.people: outside is for the stage itself, and results stand in for it",
		},
		{"no name", "tests:\n  - sources: {cam: {frames: 1}}\n", "street_test.yaml:2: tests[0]: name is missing"},
		{
			"a name twice", "tests:\n  - {name: it, sources: {cam: {frames: 1}}}\n  - {name: it, sources: {cam: {frames: 1}}}\n",
			`street_test.yaml:3: tests[1].name: "it" is the name of another test already`,
		},
		{"not YAML", "tests:\n  - name: [\n", "street_test.yaml:2: not valid YAML: did not find expected node content"},
		{"no pictures", "tests:\n  - name: it\n", "street_test.yaml:2: tests[0].sources: what does the model show cam? Say cam: {file: …} or cam: {frames: …}"},
		{"empty pictures", "tests:\n  - name: it\n    sources: {cam: {}}\n", "street_test.yaml:3: tests[0].sources.cam: must be {file: …} or {frames: …}"},
		{
			"settings of plain pictures", "tests:\n  - name: it\n    sources: {cam: {file: x.mp4, fps: 5}}\n",
			"street_test.yaml:3: tests[0].sources.cam: fps, width, height and color are for plain pictures, without a file",
		},
		{
			"a colour", "tests:\n  - name: it\n    sources: {cam: {frames: 1, color: red}}\n",
			`street_test.yaml:3: tests[0].sources.cam.color: must be a colour such as "#204060", got red`,
		},
		{"too many frames", "tests:\n  - name: it\n    sources: {cam: {frames: -1}}\n", "street_test.yaml:3: tests[0].sources.cam.frames: must be at least 0, got -1"},
		{"another source", of("sources: {cam: {frames: 1}, came: {frames: 1}}"), `street_test.yaml:3: tests[0].sources.came: there is no source "came", did you mean "cam"?`},
		{"pictures of messages", of("sources: {cam: {frames: 1}, state: {frames: 1}}"), "street_test.yaml:3: tests[0].sources.state: is a source of messages: they stand under messages"},
		{"a message without a type", with("messages: [{at: 1s}]"), "street_test.yaml:4: tests[0].messages[0]: type is missing"},
		{"a time", with("messages: [{at: soon, type: state}]"), "street_test.yaml:4: tests[0].messages[0].at: must be a duration such as 5s, got soon"},
		{"a session", with("messages: [{at: 1s, type: state, session: mian}]"), `street_test.yaml:4: tests[0].messages[0].session: there is no session "mian", did you mean "main"?`},
		{"a reply to nothing", with("replies: [{refuse: no}]"), "street_test.yaml:4: tests[0].replies[0]: command is missing"},
		{
			"a reply and a refusal", with("replies: [{command: go, refuse: no, type: done}]"),
			"street_test.yaml:4: tests[0].replies[0]: must be one of a refusal (refuse), no reply (lost) and a reply (type, reply)",
		},
		{"how often", with("replies: [{command: go, times: 0}]"), "street_test.yaml:4: tests[0].replies[0].times: must be at least 1, got 0"},
		{"a reason of an outage", with("outages: [{at: 1s, reason: rain}]"), "street_test.yaml:4: tests[0].outages[0].reason: must be reconnect or renewal, got rain"},
		{"another stage", with("stages: {persons: {takes: 1s}}"), `street_test.yaml:4: tests[0].stages.persons: there is no stage "persons"; there are people`},
		{
			"another kind of annotation", with("stages: {people: {results: [{sets: {texts: []}}]}}"),
			"street_test.yaml:4: tests[0].stages.people.results[0].sets.texts: see sets detections, measurements only",
		},
		{
			"no such annotation", with("stages: {people: {results: [{sets: {detections: [{labl: x}]}}]}}"),
			`street_test.yaml:4: tests[0].stages.people.results[0].sets.detections: unknown field "labl"`,
		},
		{
			"an annotation of another type", with("stages: {people: {results: [{sets: {detections: {label: x}}}]}}"),
			"street_test.yaml:4: tests[0].stages.people.results[0].sets.detections: the value: an object does not belong there",
		},
		{
			"results out of order", with("stages: {people: {results: [{at: 2s}, {at: 1s}]}}"),
			"street_test.yaml:4: tests[0].stages.people.results[1].at: must be later than 2s of the one before, got 1s",
		},
		{"a command without a name", expecting("commands: [{data: {}}]"), "street_test.yaml:5: tests[0].expect.commands[0]: command is missing"},
		{
			"an outcome", expecting("commands: [{command: go, outcome: lost}]"),
			"street_test.yaml:5: tests[0].expect.commands[0].outcome: must be one of sent, refused, failed, expired, superseded, deduped, dry_run, got lost",
		},
		{"a sink that decides", expecting("commands: [{command: go, node: stear}]"), `street_test.yaml:5: tests[0].expect.commands[0].node: there is no sink "stear", did you mean "steer"?`},
		{
			"a span of times", expecting("commands: [{command: go, at: 2s..1s}]"),
			"street_test.yaml:5: tests[0].expect.commands[0].at: must be a time or a span of times such as 1s..3s, got 2s..1s",
		},
		{"a frame of no sink", expecting("frames: [{frame: 1}]"), "street_test.yaml:5: tests[0].expect.frames[0]: sink is missing"},
		{"a frame of a stage", expecting("frames: [{sink: people}]"), `street_test.yaml:5: tests[0].expect.frames[0].sink: there is no sink "people"; there are steer, list, said`},
		{
			"an expression", expecting(`frames: [{sink: list, that: "len(people.detection) > 1"}]`),
			`street_test.yaml:5: tests[0].expect.frames[0].that: stage "people" has no "detection", did you mean "detections"?`,
		},
		{"a number of frames", expecting("sinks: {list: some}"), "street_test.yaml:5: tests[0].expect.sinks.list: must be a whole number or a range of them such as 2..4, got some"},
		{"frames of another sink", expecting("sinks: {lisd: 3}"), `street_test.yaml:5: tests[0].expect.sinks.lisd: there is no sink "lisd", did you mean "list"?`},
		{"a place of drops", expecting("drops: {came: {no_slot: 3}}"), `street_test.yaml:5: tests[0].expect.drops.came: there is no node "came", did you mean "cam"?`},
		{"a reason of drops", expecting("drops: {cam: {no_slots: 3}}"), `street_test.yaml:5: tests[0].expect.drops.cam.no_slots: there is no reason "no_slots", did you mean "no_slot"?`},
		{"a reason of skips", expecting("skips: {people: {rates: 3}}"), `street_test.yaml:5: tests[0].expect.skips.people.rates: there is no reason "rates", did you mean "rate"?`},
		{"errors of nobody", expecting("errors: {cam: 3}"), `street_test.yaml:5: tests[0].expect.errors.cam: there is no stage or sink "cam"; there are people, steer, list, said`},
		{"a change", with("set: [people.raet=2fps]"), `street_test.yaml:4: tests[0].set[0]: people.raet=2fps: stage "people": unknown field "raet", did you mean "rate"?`},
		{"a change for all", "set: [peple.rate=2fps]\n" + with(""), `street_test.yaml:1: set[0]: peple.rate=2fps: there is no "peple", did you mean "people"?`},
		{"a schema", with("schema: none.json"), "street_test.yaml:4: tests[0].schema: open none.json: no such file or directory"},
		{"another pipeline", "pipeline: rue.yaml\n" + with(""), "rue.yaml: no such file or directory"},
		{"a pipeline with a mistake", "pipeline: bad.yaml\n" + with("") + "  - {name: other}\n", "bad.yaml:3: sink \"list\": unknown field \"form\", did you mean \"from\"?"},
		{
			"several at once", with("schema: none.json") + "    expect:\n      sinks: {lisd: 3}\n      frames: [{sink: list, that: 1 +}]\n",
			"street_test.yaml:4: tests[0].schema: open none.json: no such file or directory\n" +
				"street_test.yaml:6: tests[0].expect.sinks.lisd: there is no sink \"lisd\", did you mean \"list\"?\n" +
				"street_test.yaml:7: tests[0].expect.frames[0].that: it ends too early",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{
				"street.yaml": street, "street_test.yaml": tt.text,
				"bad.yaml": "sources: {cam: {endless: true}}\nsinks:\n  - {name: list, type: file, form: cam}\n",
			})
			_, err := Load(filepath.Join(dir, "street_test.yaml"), Options{Registry: kinds(), Env: noVariables})
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir+"/", "")
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// of is a file with one test, with and expecting are such with a line more that
// says something, or expects it.
func of(line string) string { return "tests:\n  - name: it\n    " + line + "\n" }

func with(line string) string {
	return of("sources: {cam: {frames: 1}}") + strings.TrimRight("    "+line, " ") + "\n"
}

func expecting(line string) string { return with("expect:") + "      " + line + "\n" }

// A file says which pipeline it is of, by its name if by nothing else; variables
// are those of the test, of the file and of the environment.
func TestWhichPipeline(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.yaml":       "name: ${NAME}\nsources: {cam: {endless: true}}\nsinks: [{name: list, type: file}]\n",
		"a_test.yaml":  "env: {NAME: of-the-file}\ntests:\n  - {name: one}\n  - {name: two, env: {NAME: of-the-test}}\n",
		"other.yaml":   "pipeline: a.yaml\ntests: [{name: one}]\n",
		"nothing.yaml": "tests: [{name: one}]\n",
	})
	env := func(name string) (string, bool) { return "of-the-environment", name == "NAME" }
	tests := []struct {
		file string
		want []string
		err  string
	}{
		{"a_test.yaml", []string{"of-the-file", "of-the-test"}, ""},
		{"other.yaml", []string{"of-the-environment"}, ""},
		{"nothing.yaml", nil, "nothing.yaml:1: pipeline: is missing: only for a file that is called NAME_test.yaml it is known"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			suite, err := Load(filepath.Join(dir, tt.file), Options{Registry: kinds(), Env: env})
			if err != nil {
				if got := strings.ReplaceAll(err.Error(), dir+"/", ""); got != tt.err {
					t.Errorf("got %s, want %s", got, tt.err)
				}
				return
			}
			var got []string
			for _, test := range suite.Tests {
				got = append(got, test.spec.Name)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" || tt.err != "" {
				t.Error(diff, tt.err)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		expecting("commands: [{command: go, data: {n: 1..2}, at: 1s..}]"), with("stages: {people: {takes: 1s, results: [{at: 0s, sets: {detections: []}}]}}"),
		with("outages: [{at: 1s, for: 2s}]"), "tests: &a [*a]\n", "tests: [{name: it, sources: {cam: {frames: 1}}, expect: {drops: {}}}]",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "street.yaml"), []byte(street), 0o600); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "street_test.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "pipeline") || strings.Contains(text, "schema") {
			t.Skip("names other files")
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if suite, err := Load(path, Options{Registry: kinds(), Env: noVariables}); err == nil && len(suite.Tests) == 0 {
			t.Error("a file without tests is taken")
		}
	})
}
