package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// What a shell offers when Tab is pressed.
func TestComplete(t *testing.T) {
	t.Parallel()
	srv := serve(t, paintable)
	var v invocation
	v.start(t, "run", watch(t, srv.URL()), still(t, "q"), "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	newClient(t, url).until(t, "p", phaseRunning)
	admin := "--admin=" + strings.TrimPrefix(url, "http://")
	tests := []struct {
		name string
		line []string // without the program; the last word is being typed
		want string   // words, then the directive
	}{
		{"a command", []string{"val"}, "validate\tCheck files without running them; needs no key, device or network\n:4\n"},
		{"files of pipelines", []string{"run", ""}, "yaml\nyml\n:8\n"},
		{"a choice", []string{"run", "--log-format", ""}, "text\njson\n:4\n"},
		{"more choices", []string{"run", "--log-level="}, "debug\ninfo\nwarn\nerror\n:4\n"},
		{"a format", []string{"plan", "--format", ""}, "text\nmermaid\njson\n:4\n"},
		{"what can be found", []string{"init", "--detect", ""}, "motion\npeople\n:4\n"},
		{"a codec", []string{"sim", "--codec", ""}, "vp8\nvp9\nh264\nav1\n:4\n"},
		{"a test picture", []string{"sim", "--pattern", ""}, "bars\ngray\nnoise\nramp\n:4\n"},
		{"trouble", []string{"sim", "--show", ""}, "stopped\nstill\nblack\nlarge\n:4\n"},
		{"a file", []string{"run", "--summary", ""}, ":0\n"},
		{"nothing to offer", []string{"run", "--duration", ""}, ":4\n"},
		{"a running pipeline", []string{"send", admin, ""}, "p\nq\n:4\n"},
		{"a model's command", []string{"send", admin, "p", ""}, "set_all\tTrigger set_all\nset_brightness\tTrigger set_brightness\nset_image\tTrigger set_image\nset_prompt\tTrigger set_prompt\n:4\n"},
		{"its argument", []string{"send", admin, "p", "set_brightness", ""}, "brightness=\tnumber from 0 to 2\n:6\n"},
		{"no daemon", []string{"send", "--admin=" + freePort(t), ""}, ":5\n"},
		{"a folder", []string{"man", ""}, ":16\n"},
		{"a command below another", []string{"model", "sh"}, "show\tPrint a model's commands with their arguments, its messages and its tracks\n:4\n"},
		{"its flag's folder", []string{"init", "stage", "--replace", ""}, ":16\n"},
		{"its flag's free text", []string{"init", "sink", "--module", ""}, ":4\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v invocation
			v.main(t, append([]string{"__complete"}, tt.line...)...)
			if diff := cmp.Diff(v.out.String(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The scripts are ones that their shells take.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			var v invocation
			if code := v.main(t, "completion", shell); code != exitDone || !strings.Contains(v.out.String(), "reactorpipe") {
				t.Fatalf("exit %d:\n%s", code, v.out.String())
			}
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("no %s on this machine: its script is not read", shell)
			}
			check := exec.CommandContext(t.Context(), path, "-n")
			check.Stdin = strings.NewReader(v.out.String())
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// pagesOf are where the pages of a command lie, and of all that help lists below it.
func pagesOf(c *cobra.Command, folder string) []string {
	pages := []string{filepath.Join(folder, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")}
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() {
			pages = append(pages, pagesOf(below, folder)...)
		}
	}
	slices.Sort(pages)
	return pages
}

// Every command that help lists has a page, which man can show.
func TestMan(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "man1")
	var v invocation
	if code := v.main(t, "man", folder); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	root := (&program{registry: registry()}).command()
	root.InitDefaultCompletionCmd() // as running it does
	if diff := cmp.Diff(pages, pagesOf(root, folder)); diff != "" {
		t.Errorf("pages: %s", diff)
	}
	text, err := os.ReadFile(filepath.Join(folder, "reactorpipe-run.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".SH NAME\nreactorpipe-run - Run pipelines", `\fB--env-file\fP=FILE`, ".SH EXAMPLE", `\fBreactorpipe(1)\fP`} {
		if !strings.Contains(strings.ReplaceAll(string(text), `\-`, "-"), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	var again invocation
	if code := again.main(t, "man"); code != exitUsage || again.err.String() != "reactorpipe: man: which folder should the pages be written to?\n" {
		t.Errorf("without a folder: exit %d: %s", code, again.err.String())
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff on this machine: the pages are not set")
	}
	for _, page := range pages {
		if out, err := exec.CommandContext(t.Context(), groff, "-man", "-Kutf8", "-Tutf8", "-ww", "-z", page).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", filepath.Base(page), err, out)
		}
	}
}
