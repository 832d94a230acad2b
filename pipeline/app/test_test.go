package app

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example's tests pass, in a process of their own as users run them.
func TestTestedExample(t *testing.T) {
	t.Parallel()
	out, code := runProgram(t, "test", "-v", "../../examples/tested")
	if code != exitDone {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	for _, want := range []string{"a crowd makes it rain, once", "real pictures, the real detector", "ok: 4 tests\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// runProgram runs the program in a process of its own, and returns what it prints.
func runProgram(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), beTheProgram+"=1")
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

const tested = `
session: {model: reactor/x2}
sources: {cam: {track: main_video}}
sinks:
  - {name: steer, type: command, when: frame.seq == 5, config: {command: go}}
  - {name: list, type: jsonl, config: {path: list.jsonl}}
`

const testsOfIt = `tests:
  - name: goes
    sources: {cam: {frames: 10}}
    expect: {commands: [{command: go}]}
  - name: stops
    sources: {cam: {frames: 10}}
    expect: {sinks: {list: 9}}
`

func testedFolder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTest(t *testing.T) {
	files := map[string]string{
		"p.yaml": tested, "p_test.yaml": testsOfIt, "sub/q.yaml": tested,
		"sub/r_test.yaml": "tests: [{nam: x}]\n",
	}
	const stops = "FAIL  p_test.yaml:5: stops\n      p_test.yaml:7: sink \"list\": wants 9 frames, got 10\nFAIL: 1 of "
	tests := []struct {
		name     string
		args     []string
		code     int
		out, err string
	}{
		{"the present folder", nil, exitFailed, stops + "2 tests\n", ""},
		{"a folder", []string{"."}, exitFailed, stops + "2 tests\n", ""},
		{"a file of tests", []string{"p_test.yaml"}, exitFailed, stops + "2 tests\n", ""},
		{"a pipeline", []string{"p.yaml"}, exitFailed, stops + "2 tests\n", ""},
		{"some", []string{"--run", "^st"}, exitFailed, stops + "1 test\n", ""},
		{"one that passes", []string{"--run", "goes"}, exitDone, "ok: 1 test\n", ""},
		{"each", []string{"-v", "--run", "goes"}, exitDone, "ok    p_test.yaml:2: goes\nok: 1 test\n", ""},
		{"a list", []string{"--list"}, exitDone, "p_test.yaml:2: goes\np_test.yaml:5: stops\n", ""},
		{
			"a change",
			[]string{"--run", "goes", "--set", "steer.config.command=stop"},
			exitFailed,
			"FAIL  p_test.yaml:2: goes\n      p_test.yaml:4: commands differ\n        - - command: go\n        + - command: stop\n            outcome: sent\nFAIL: 1 of 1 test\n", "",
		},
		{"none of that name", []string{"--run", "flies"}, exitUsage, "", "reactorpipe: --run: no test's name matches \"flies\"\n"},
		{"a bad expression", []string{"--run", "("}, exitUsage, "", "reactorpipe: --run: error parsing regexp: missing closing ): `(`\n"},
		{"another format", []string{"--format", "xml"}, exitUsage, "", "reactorpipe: --format: must be text, json or junit, got \"xml\"\n"},
		{"a mistake", []string{"sub"}, exitConfig, "", "sub/r_test.yaml:1: unknown field \"nam\" in tests[0], did you mean \"name\"?\n"},
		{"no tests of it", []string{"sub/q.yaml"}, exitConfig, "", "reactorpipe: sub/q.yaml: its tests would be in q_test.yaml, and there is no such file\n"},
		{"no file", []string{"x.yaml"}, exitConfig, "", "reactorpipe: x.yaml: no such file\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			testedFolder(t, files)
			var v invocation
			if code := v.main(t, append([]string{"test"}, tt.args...)...); code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			if diff := cmp.Diff(withoutTimes(v.out.String()), tt.out); diff != "" {
				t.Errorf("printed (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(v.err.String(), tt.err); diff != "" {
				t.Errorf("said (-got +want):\n%s", diff)
			}
			if _, err := os.Stat("list.jsonl"); err == nil {
				t.Error("a test has written a file of the pipeline's")
			}
		})
	}
}

// withoutTimes takes out how long tests took.
func withoutTimes(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if before, _, ok := strings.Cut(line, " ("); ok && strings.Contains(line, "virtual clock") {
			line = before + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestTestFolderWithoutTests(t *testing.T) {
	testedFolder(t, map[string]string{"p.yaml": tested})
	var v invocation
	if code := v.main(t, "test"); code != exitConfig {
		t.Errorf("exit %d", code)
	}
	if want := "reactorpipe: .: no tests in this folder: they are in files called NAME_test.yaml\n"; v.err.String() != want {
		t.Errorf("got %q, want %q", v.err.String(), want)
	}
}

// A folder of pipelines may have their tests in it.
func TestTestsAreNoPipelines(t *testing.T) {
	testedFolder(t, map[string]string{"p.yaml": tested, "p_test.yaml": testsOfIt, "sub/p_test.yaml": testsOfIt})
	var v invocation
	if code := v.main(t, "validate", "."); code != exitDone || v.out.String() != "p.yaml: ok (1 source, 0 stages, 2 sinks)\n" {
		t.Errorf("exit %d, printed %q, %q", code, v.out.String(), v.err.String())
	}
	var w invocation
	if code := w.main(t, "validate", "sub"); code != exitConfig || w.err.String() != "reactorpipe: sub: no pipelines in this folder, only their tests\n" {
		t.Errorf("exit %d, said %q", code, w.err.String())
	}
}

func TestTestFormats(t *testing.T) {
	testedFolder(t, map[string]string{"p.yaml": tested, "p_test.yaml": testsOfIt})
	var v invocation
	v.main(t, "test", "--format", "json")
	var got []testJSON
	for line := range strings.Lines(v.out.String()) {
		var one testJSON
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		one.TookS = 0
		got = append(got, one)
	}
	want := []testJSON{
		{File: "p_test.yaml", Line: 2, Name: "goes", Passed: true, LastedS: 0.36},
		{File: "p_test.yaml", Line: 5, Name: "stops", LastedS: 0.36, Failures: []failureJSON{{Line: 7, Text: `sink "list": wants 9 frames, got 10`}}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}

	var w invocation
	w.main(t, "test", "--format", "junit")
	var suite junitSuite
	if err := xml.Unmarshal([]byte(w.out.String()), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 2 || suite.Failures != 1 || len(suite.Cases) != 2 || suite.Cases[1].Failures[0].Message != want[1].Failures[0].Text {
		t.Errorf("got %s", w.out.String())
	}
}

// A test that real time does not bring to its end is given up.
func TestTestTimeout(t *testing.T) {
	t.Parallel()
	out, code := runProgram(t, "test", "--timeout", "1ms", "../../examples/tested")
	if code != exitFailed || !strings.Contains(out, "not over after 1ms of real time") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestTestsSchema(t *testing.T) {
	var v invocation
	if code := v.main(t, "schema", "--tests"); code != exitDone {
		t.Errorf("exit %d", code)
	}
	want, err := os.ReadFile("../../configs/pipeline_test.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.out.String(), string(want)); diff != "" {
		t.Error(diff)
	}
}
