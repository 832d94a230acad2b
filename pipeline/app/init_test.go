package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// initialised runs init for a file of a new folder, and returns its path.
func initialised(t *testing.T, flags ...string) (path string, v *invocation) {
	t.Helper()
	path, v = filepath.Join(t.TempDir(), "first.yaml"), new(invocation)
	if code := v.main(t, append([]string{"init", path}, flags...)...); code != exitDone {
		t.Fatalf("exit %d: %s", code, v.err.String())
	}
	if got := v.out.String(); got != path+"\n" {
		t.Errorf("printed %q", got)
	}
	return path, v
}

// What init writes runs as it is: simulated, with a test pattern or a clip.
func TestInitRuns(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	tests := []struct {
		name  string
		flags []string
	}{
		{"nothing wished", nil},
		{"people", []string{
			"--sim", clip(t), "--detect", "people", "--detect", "motion",
			"--record", filepath.Join(out, "video.mp4"), "--events", filepath.Join(out, "seen.jsonl"),
		}},
		{"a model", []string{"--model", "reactor/x2", "--events", filepath.Join(out, "model.jsonl")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, _ := initialised(t, tt.flags...)
			args := []string{"run", path, "--frames", "5"}
			if !strings.Contains(strings.Join(tt.flags, " "), "--events") {
				args = append(args, "--set", "page.config.addr=127.0.0.1:0")
			}
			if tt.name == "a model" {
				args = append(args, "--sim", clip(t))
			}
			var run invocation
			if code := run.main(t, args...); code != exitDone {
				t.Errorf("exit %d: %s", code, run.err.String())
			}
		})
	}
	if wholeLines(t, filepath.Join(out, "seen.jsonl")) == 0 {
		t.Error("no line was written")
	}
	if n, err := pictures(t, filepath.Join(out, "video.mp4")); n == 0 {
		t.Errorf("no picture was recorded: %v", err)
	}
}

// Two of them run in one program as they are, each with a page of its own.
func TestInitsRunTogether(t *testing.T) {
	t.Parallel()
	a, _ := initialised(t)
	b, _ := initialised(t)
	second := filepath.Join(filepath.Dir(b), "second.yaml")
	if err := os.Rename(b, second); err != nil {
		t.Fatal(err)
	}
	var run invocation
	if code := run.main(t, "run", a, second, "--frames", "3"); code != exitDone {
		t.Errorf("exit %d: %s", code, run.err.String())
	}
	if n := strings.Count(run.err.String(), `msg="live page"`); n != 2 {
		t.Errorf("%d pages: %s", n, run.err.String())
	}
}

// From a live model come its tracks, and its commands and messages ready to be
// uncommented: the model takes them as they are.
func TestInitFromALiveModel(t *testing.T) {
	t.Parallel()
	model := serve(t)
	path, v := initialised(t, "--url", model.URL())
	if v.err.String() != "" {
		t.Errorf("warned: %s", v.err.String())
	}
	used := uncommented(t, path)
	for _, want := range []string{
		"  start:\n    - {command: set_brightness, data: {brightness: ",
		"  cam: {track: main_video}\n",
		"  - {name: to_source, type: publish, from: cam, config: {track: source, fps: 15}}\n",
		"  - name: send_set_brightness\n    type: command\n    from: cam\n",
		"# number from 0 to 2",
	} {
		if !strings.Contains(used, want) {
			t.Errorf("no %q in:\n%s", want, used)
		}
	}
	var run invocation
	if code := run.main(t, "run", path, "--frames", "10", "--set", "page.config.addr=127.0.0.1:0"); code != exitDone {
		t.Errorf("exit %d: %s", code, run.err.String())
	}
}

// A schema of every type: what was commented out is valid, whatever the model
// calls its things.
func TestInitFromASchema(t *testing.T) {
	path, _ := initialised(t, "--schema", "../scaffold/testdata/schema.json", "--detect", "people")
	used := uncommented(t, path)
	var v invocation
	if code := v.main(t, "validate", path); code != exitDone {
		t.Errorf("exit %d: %s\n%s", code, v.err.String(), used)
	}
	for _, want := range []string{"model: acme/street", "send_yes", `tail: "$${HOME} {{'{{'}} x }}: # \"y\""`} {
		if !strings.Contains(used, want) {
			t.Errorf("no %q in:\n%s", want, used)
		}
	}
}

var ready = regexp.MustCompile(`(?m)^  # (start:|  - \{command|- \{name: to_|- name: send_|  (type|from|when|cooldown|config): ?|    (command|data):|      \S+: |(on|cam)_\w+: \{)`)

// uncommented takes the marks from all that stands ready in comments.
func uncommented(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := ready.ReplaceAllString(string(text), "  $1")
	if err := os.WriteFile(path, []byte(used), 0o600); err != nil {
		t.Fatal(err)
	}
	return used
}

func TestInitWithoutAnswer(t *testing.T) {
	path, v := initialised(t, "--url", "http://127.0.0.1:1")
	want := "warning: tracks are guessed and commands left out, for want of a schema: http://127.0.0.1:1: nothing listens there: is the model running, and on that port?\n"
	if !strings.HasPrefix(v.err.String(), want) {
		t.Errorf("told %q", v.err.String())
	}
	var check invocation
	if code := check.main(t, "validate", path); code != exitDone {
		t.Errorf("exit %d: %s", code, check.err.String())
	}
}

func TestInitToTheTerminal(t *testing.T) {
	var v invocation
	if code := v.main(t, "init", "-"); code != exitDone || !strings.HasPrefix(v.out.String(), "# yaml-language-server: ") {
		t.Errorf("exit %d: %s%s", code, v.out.String(), v.err.String())
	}
}

// Examples has the building of what these write.
func TestInitModules(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, part := range []string{"stage", "sink"} {
		var v invocation
		if code := v.main(t, "init", part, "my_"+part); code != exitDone {
			t.Fatalf("exit %d: %s", code, v.err.String())
		}
		for _, file := range []string{".envrc", ".vscode/settings.json", "Makefile", "README.md", "go.mod", "main.go", "my" + part + "/my" + part + "_test.go"} {
			if path := filepath.Join("my_"+part, file); !strings.Contains(v.out.String(), path+"\n") {
				t.Errorf("no %s in:\n%s", path, v.out.String())
			}
		}
	}
}

func TestInitRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"pipeline.yaml", "mine/go.mod"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{nil, exitFailed, "pipeline.yaml is there already; nothing was written"},
		{[]string{"a.yaml", "b.yaml"}, exitUsage, `init: takes one file, got "b.yaml", too`},
		{[]string{"--model", "a/b", "--sim", "x.mp4"}, exitUsage, "init: --model and --sim exclude each other"},
		{[]string{"--url", "localhost:8080"}, exitUsage, `--url: must be an http or https URL such as http://localhost:8080, got "localhost:8080"`},
		{[]string{"other.yaml", "--model", "http://localhost:8080"}, exitUsage, "init: with these flags the file would be wrong, and is not written\n" +
			"reactorpipe: other.yaml:11: session: model: must be a name such as reactor/x2, got an address: that of a local runtime is url: http://localhost:8080"},
		{[]string{"--detect", "peple"}, exitUsage, `--detect: nothing detects "peple", did you mean "people"?`},
		{[]string{"--schema", "no.json"}, exitConfig, "--schema: open no.json: no such file or directory"},
		{[]string{"stage"}, exitUsage, "init stage: which name? It is what a pipeline's type: will say"},
		{[]string{"stage", "a", "b"}, exitUsage, `init stage: takes one name, got "b", too`},
		{[]string{"stage", "blur"}, exitUsage, "blur is a kind that there is already; take another name"},
		{[]string{"sink", "Mine"}, exitUsage, `init sink: must be lower-case letters, digits and _, beginning with a letter, got "Mine"`},
		{[]string{"stage", "mine"}, exitFailed, "mine/go.mod is there already; nothing was written"},
		{[]string{"stage", "other", "--replace", "."}, exitUsage, "init stage: --replace: CWD is no checkout of reactorpipe"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			var v invocation
			code := v.main(t, append([]string{"init"}, tt.args...)...)
			if want := "reactorpipe: " + strings.ReplaceAll(tt.want, "CWD", here) + "\n"; code != tt.code || v.err.String() != want {
				t.Errorf("exit %d, want %d\ngot  %swant %s", code, tt.code, v.err.String(), want)
			}
		})
	}
}
