package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a file gets wrong is said whole, for `validate` as for `run`, and no
// retry can mend it.
func TestMistakesInAFile(t *testing.T) {
	const (
		cam  = "sources: {cam: {file: x.mp4}}\n"
		sink = "sinks: [{name: out, type: discard}]\n"
	)
	tests := []struct {
		name, file, want string
	}{
		{"empty", "", "FILE: is empty\n"},
		{"not YAML", "sources: [", "FILE:1: not valid YAML: did not find expected node content\n"},
		{"unknown key at the top", cam + sink + "stage: []\n", "FILE:3: unknown field \"stage\", did you mean \"stages\"?\n"},
		{"unknown key of a source", "sources: {cam: {file: x.mp4, lop: true}}\n" + sink, "FILE:1: source \"cam\": unknown field \"lop\", did you mean \"loop\"?\n"},
		{
			"unknown key of a kind", cam + "stages:\n- {name: soft, type: blur, config: {raduis: 3}}\n" + sink,
			"FILE:3: stage \"soft\": unknown field \"raduis\" in config, did you mean \"radius\"?\n",
		},
		{
			"wrong type", "max_in_flight: many\n" + cam + sink,
			"FILE:1: max_in_flight: must be a whole number, got many\n",
		},
		{
			"out of range", cam + "stages:\n- {name: soft, type: blur, config: {radius: -2}}\n" + sink,
			"FILE:3: stage \"soft\": radius: must be odd and positive, got -2\n",
		},
		{
			"cycle", cam + "stages:\n- {name: a, type: blur, from: b}\n- {name: b, type: blur, from: a}\n" + sink,
			"FILE:3: stage \"a\": from: frames go round in a circle: a → b → a\n",
		},
		{
			"no such kind", cam + "stages:\n- {name: a, type: blurr}\n" + sink,
			"FILE:3: stage \"a\": type: unknown kind \"blurr\" in stages, did you mean \"blur\"?\n",
		},
		{
			"no such node", cam + "sinks: [{name: out, type: discard, from: cm}]\n",
			"FILE:2: sink \"out\": from: there is no \"cm\" to take frames from, did you mean \"cam\"?\n",
		},
		{
			"variable not set", "name: ${NAME_OF_IT}\n" + cam + sink,
			"FILE:1: environment variable NAME_OF_IT is not set\n",
		},
		{
			"expression", cam + "sinks: [{name: out, type: discard, when: frame.seq >}]\n",
			"FILE:2: sink \"out\": when: it ends too early\n",
		},
		{
			"several at once", "nam: x\n" + cam + "stages:\n- {name: a, type: blurr}\nsinks: [{name: a, type: discard}]\n",
			"FILE:1: unknown field \"nam\", did you mean \"name\"?\n" +
				"FILE:4: stage \"a\": type: unknown kind \"blurr\" in stages, did you mean \"blur\"?\n" +
				"FILE:5: sink \"a\": name: a is that of the stage on line 4 already; names are unique in a file\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "p.yaml", tt.file)
			for _, command := range []string{"validate", "run"} {
				var v invocation
				if code := v.main(t, command, path); code != exitConfig {
					t.Errorf("%s: exit %d, want %d", command, code, exitConfig)
				}
				if diff := cmp.Diff(v.err.String(), strings.ReplaceAll(tt.want, "FILE", path)); diff != "" {
					t.Errorf("%s: %s", command, diff)
				}
				if v.out.String() != "" {
					t.Errorf("%s: printed %q", command, v.out.String())
				}
			}
		})
	}
}

func TestMistakesInNames(t *testing.T) {
	dir := t.TempDir()
	one := write(t, "one.yaml", "name: same\nsources: {cam: {file: x}}\nsinks: [{name: out, type: discard}]\n")
	two := write(t, "two.yaml", "name: same\nsources: {cam: {file: x}}\nsinks: [{name: out, type: discard}]\n")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no such file", []string{filepath.Join(dir, "no.yaml")}, "reactorpipe: " + filepath.Join(dir, "no.yaml") + ": no such file\n"},
		{"no files in a folder", []string{dir}, "reactorpipe: " + dir + ": no .yaml files in this folder\n"},
		{"the same name twice", []string{one, two}, two + ": name: \"same\" is the name of " + one + " already\n"},
		{"--set of what is not there", []string{one, "--set", "cm.file=y"}, "--set cm.file=y: there is no \"cm\", did you mean \"cam\"?\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, command := range []string{"validate", "run"} {
				var v invocation
				if code := v.main(t, append([]string{command}, tt.args...)...); code != exitConfig {
					t.Errorf("%s: exit %d, want %d", command, code, exitConfig)
				}
				if diff := cmp.Diff(v.err.String(), tt.want); diff != "" {
					t.Errorf("%s: %s", command, diff)
				}
			}
		})
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	file := write(t, "p.yaml", "sources: {cam: {file: x}}\nsinks: [{name: out, type: discard}]\n")
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"rnu"}, `unknown command "rnu", did you mean "run"?`},
		{[]string{"dance"}, `unknown command "dance" (see reactorpipe --help)`},
		{[]string{"run"}, "run: which pipeline? Name a file or a folder of files"},
		{[]string{"validate"}, "validate: which pipeline? Name a file or a folder of files"},
		{[]string{"plan"}, "plan: which pipeline? Name a file or a folder of files"},
		{[]string{"plan", file, "--format", "dot"}, `--format: must be text, mermaid or json, got "dot"`},
		{[]string{"list", "stages"}, `list: takes no arguments, got "stages"`},
		{[]string{"run", file, "--durration", "3s"}, `run: unknown flag --durration, did you mean "--duration"?`},
		{[]string{"run", file, "--colour"}, "run: unknown flag --colour (see reactorpipe run --help)"},
		{[]string{"run", file, "-x"}, "run: unknown flag -x (see reactorpipe run --help)"},
		{[]string{"run", file, "--duration", "soon"}, `--duration: must be a time such as 30s or 5m, got "soon"`},
		{[]string{"run", file, "--duration", "-3s"}, "--duration: must not be negative, got -3s"},
		{[]string{"run", file, "--frames", "-1"}, `--frames: must be a whole number, not negative, got "-1"`},
		{[]string{"run", "--admin", "off", file, "--summary"}, "--summary: needs a value"},
		{[]string{"run", file, "--log-format", "xml"}, `--log-format: must be text or json, got "xml"`},
		{[]string{"run", file, "--log-level", "loud"}, `--log-level: must be debug, info, warn or error, got "loud"`},
		{[]string{"run", file, "--admin", "9090"}, `--admin: must be host:port or off, got "9090"`},
		{[]string{"run", file, "--admin", ":0"}, "--admin :0: beyond loopback the admin port needs --admin-token-file"},
		{[]string{"sim", "--codec", "h265"}, `--codec: must be vp8, vp9, h264 or av1, got "h265"`},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var v invocation
			if code := v.main(t, tt.args...); code != exitUsage {
				t.Errorf("exit %d, want %d", code, exitUsage)
			}
			if diff := cmp.Diff(v.err.String(), "reactorpipe: "+tt.want+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A wrong key of the admin port's token is found before anything runs.
func TestMistakesInTheTokenFile(t *testing.T) {
	file := write(t, "p.yaml", "sources: {cam: {file: x}}\nsinks: [{name: out, type: discard}]\n")
	empty := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, token, want string }{
		{"missing", empty + "x", "reactorpipe: --admin-token-file: open " + empty + "x: no such file or directory\n"},
		{"empty", empty, "reactorpipe: --admin-token-file: " + empty + " is empty\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v invocation
			if code := v.main(t, "run", file, "--admin", ":0", "--admin-token-file", tt.token); code != exitConfig {
				t.Errorf("exit %d, want %d", code, exitConfig)
			}
			if diff := cmp.Diff(v.err.String(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}
