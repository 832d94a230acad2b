package examples_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What `init stage` and `init sink` write is tested, built and run by the
// commands of its README, in an environment that has nothing of ours, and gopls
// understands all of it.
func TestInit(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	lookAtSources(t)
	out := t.TempDir()
	reactorpipe := filepath.Join(out, "reactorpipe")
	run(t, "..", "go", "build", "-buildvcs=false", "-o", reactorpipe, "./cmd/reactorpipe")
	tests := []struct{ part, name, file string }{
		{"stage", "glow", "found.jsonl"}, // the package is called as the program
		{"sink", "my_sink", "my_sink.txt"},
	}
	for _, tt := range tests {
		t.Run(tt.part, func(t *testing.T) {
			bare(t, out, reactorpipe, "init", tt.part, tt.name)
			module := filepath.Join(out, tt.name)
			bare(t, module, "make", "test", "build", "schema")
			program := filepath.Join(module, "bin", tt.name)
			bare(t, module, program, "validate", "pipeline.yaml")
			bare(t, module, program, "run", "pipeline.yaml", "--frames", "10", "--admin", "off")
			written, err := os.ReadFile(filepath.Join(module, "out", tt.file))
			if err != nil || len(written) == 0 {
				t.Errorf("the pipeline left nothing in out/%s: %v", tt.file, err)
			}
			settingsAgree(t, module)
			t.Run("gopls", func(t *testing.T) { checkedByGopls(t, module) })
		})
	}
}

// checkedByGopls opens every file of a module as an editor would whose shell has
// read .envrc.
func checkedByGopls(t *testing.T, module string) {
	t.Helper()
	gopath := strings.TrimSpace(string(run(t, module, "go", "env", "GOPATH")))
	gopls := filepath.Join(gopath, "bin", "gopls")
	if _, err := os.Stat(gopls); err != nil {
		t.Skip("gopls is not installed; scripts/setup ci installs it")
	}
	const check = `. ./.envrc; files=$(find . -name '*.go'); exec "$0" check -severity=hint $files`
	if said := bare(t, module, "bash", "-c", check, gopls); len(said) > 0 {
		t.Errorf("gopls: %s", said)
	}
}

// settingsAgree fails unless VS Code gives go and gopls what .envrc gives a shell.
func settingsAgree(t *testing.T, module string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module, ".vscode", "settings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var editor struct {
		Tools map[string]string `json:"go.toolsEnvVars"`
		Gopls struct {
			Env map[string]string `json:"build.env"`
		} `json:"gopls"`
	}
	if err := json.Unmarshal(text, &editor); err != nil {
		t.Fatal(err)
	}
	shell := make(map[string]string)
	for line := range strings.Lines(string(bare(t, module, "bash", "-c", ". ./.envrc; env"))) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if strings.HasPrefix(name, "CGO_") || name == "GOFLAGS" {
			shell[name] = value
		}
	}
	if diff := cmp.Diff(editor.Tools, shell); diff != "" {
		t.Errorf("go.toolsEnvVars: %s", diff)
	}
	if diff := cmp.Diff(editor.Gopls.Env, shell); diff != "" {
		t.Errorf("gopls, build.env: %s", diff)
	}
}

// bare runs a program with what a login and Go's own settings bring, and
// nothing of what building reactorpipe needs.
func bare(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LANG=C.UTF-8", "GOFLAGS=-mod=readonly"}
	for _, variable := range []string{"HOME", "PATH", "TMPDIR", "SSL_CERT_FILE"} {
		if value, ok := os.LookupEnv(variable); ok {
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
	}
	for _, setting := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", setting).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, setting+"="+strings.TrimSpace(string(value)))
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return output
}
