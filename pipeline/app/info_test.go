package app

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// env says what scripts/env.sh does.
func TestEnv(t *testing.T) {
	var v invocation
	if code := v.main(t, "env"); code != exitDone {
		t.Errorf("exit %d", code)
	}
	script, err := os.ReadFile("../../scripts/env.sh")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := range strings.Lines(string(script)) {
		if strings.HasPrefix(line, "export ") {
			want.WriteString(line)
		}
	}
	if diff := cmp.Diff(v.out.String(), want.String()); diff != "" {
		t.Error(diff)
	}
	check := exec.CommandContext(t.Context(), "sh", "-ec", v.out.String()+`test "$CGO_ENABLED" = 1`)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("a shell does not take it: %v\n%s", err, out)
	}
}

func TestVersion(t *testing.T) {
	var v invocation
	if code := v.main(t, "version"); code != exitDone {
		t.Errorf("exit %d", code)
	}
	if !regexp.MustCompile(`^reactorpipe \S+\n$`).MatchString(v.out.String()) {
		t.Errorf("got %q", v.out.String())
	}
}

// Every kind of the registry is listed, with what is worth knowing before one
// writes it into a file.
func TestList(t *testing.T) {
	var v invocation
	if code := v.main(t, "list"); code != exitDone {
		t.Errorf("exit %d", code)
	}
	reg := registry()
	for _, names := range [][]string{reg.Sources(), reg.Stages(), reg.Sinks()} {
		for _, name := range names {
			if !regexp.MustCompile(`(?m)^  ` + name + `( |$)`).MatchString(v.out.String()) {
				t.Errorf("no %s in:\n%s", name, v.out.String())
			}
		}
	}
	if strings.Contains(v.out.String(), " \n") {
		t.Errorf("blanks at the end of a line:\n%s", v.out.String())
	}
	for _, line := range []string{
		"  message        Yields the messages of the model, as frames without pixels.\n" +
			"                 messages, no pixels; needs a session\n",
		"  resize         Gives pictures another size.\n" +
			"                 reads native, reshapes; workers\n",
	} {
		if !strings.Contains(v.out.String(), line) {
			t.Errorf("no %q in:\n%s", line, v.out.String())
		}
	}
}

// The program alone says what it can do, and nothing that it cannot.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"help"}} {
		v := invocation{registry: registry()}
		p := &program{registry: v.registry, out: &v.out, err: &v.err}
		if code := p.main(t.Context(), args); code != exitDone {
			t.Errorf("%q: exit %d", args, code)
		}
		var commands []string
		for _, found := range regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`).FindAllStringSubmatch(v.out.String(), -1) {
			commands = append(commands, found[1])
		}
		want := []string{"completion", "doctor", "env", "gen", "health", "help", "init", "list", "man", "model", "plan", "run", "schema", "send", "sim", "test", "token", "validate", "version"}
		if diff := cmp.Diff(commands, want); diff != "" {
			t.Errorf("%q: %s", args, diff)
		}
		if !strings.Contains(v.out.String(), "\nExit codes:\n  0   done,") {
			t.Errorf("%q: no exit codes in:\n%s", args, v.out.String())
		}
		if v.err.String() != "" {
			t.Errorf("%q: %s", args, v.err.String())
		}
	}
}
