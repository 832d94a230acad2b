package scaffold_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline/scaffold"
	"github.com/reactorpipe/reactorpipe/sdk"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func schema(t *testing.T) *sdk.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sdk.ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPipeline(t *testing.T) {
	tests := []struct {
		name string
		p    scaffold.Pipeline
	}{
		{"pattern", scaffold.Pipeline{Path: "a.yaml", Preview: true}},
		{"people", scaffold.Pipeline{
			Path: "pipeline.yaml", Clip: "street.mp4", Detect: []scaffold.Detector{{Name: "people", Kind: "people_detect"}},
			Record: "out/{{date}}.mp4", Events: "out/seen.jsonl", Preview: true,
		}},
		{"model", scaffold.Pipeline{
			Path: "pipeline.yaml", URL: "http://localhost:8080", Schema: schema(t), Preview: true,
			Detect: []scaffold.Detector{{Name: "people", Kind: "people_detect"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, path := tt.p.Text(), filepath.Join("testdata", tt.name+".yaml")
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
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestModuleNames(t *testing.T) {
	tests := []struct{ name, want string }{
		{"Blur", `must be lower-case letters, digits and _, beginning with a letter, got "Blur"`},
		{"../x", `must be lower-case letters, digits and _, beginning with a letter, got "../x"`},
		{"func", "func means something else in Go; take another"},
		{"main", "main means something else in Go; take another"},
		{"stages", "stages means something else in Go; take another"},
		{"config", "config means something else in Go; take another"},
		{"my_test", "my_test means something else in Go; take another"},
		{"mine", "this program is no release: --replace says where a checkout of reactorpipe lies"},
	}
	for _, tt := range tests {
		_, err := scaffold.Module{Part: scaffold.Stage, Name: tt.name}.Files()
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// A release is named by its version, a checkout brings what go.mod and go.sum
// need.
func TestModuleOrigin(t *testing.T) {
	checkout := filepath.Join(t.TempDir(), "my check out")
	write(t, filepath.Join(checkout, "go.mod"), "module github.com/reactorpipe/reactorpipe\n\ngo 1.26\n\nrequire gocv.io/x/gocv v0.43.0\n")
	write(t, filepath.Join(checkout, "go.sum"), "gocv.io/x/gocv v0.43.0 h1:x\n")
	tests := []struct {
		name          string
		m             scaffold.Module
		mod, sum, err string
	}{
		{
			"a release",
			scaffold.Module{Version: "v1.2.3"},
			"module example.com/mine\n\ngo 1.26\n\nrequire github.com/reactorpipe/reactorpipe v1.2.3\n", "", "",
		},
		{
			"a checkout",
			scaffold.Module{Path: "acme.test/x", Replace: checkout},
			"module acme.test/x\n\nreplace github.com/reactorpipe/reactorpipe => \"" + checkout + "\"\n\n" +
				"require github.com/reactorpipe/reactorpipe v0.0.0\n\ngo 1.26\n\nrequire gocv.io/x/gocv v0.43.0\n",
			"gocv.io/x/gocv v0.43.0 h1:x\n", "",
		},
		{"something else", scaffold.Module{Replace: "/"}, "", "", "--replace: / is no checkout of reactorpipe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.Part, tt.m.Name, tt.m.Env = scaffold.Stage, "mine", "export A=\"1 2\"\nexport B=3\n"
			files, err := tt.m.Files()
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.mod, files["go.mod"]); diff != "" || files["go.sum"] != tt.sum {
				t.Errorf("go.sum %q, go.mod (-want +got):\n%s", files["go.sum"], diff)
			}
			if want := "    \"A\": \"1 2\",\n    \"B\": \"3\"\n"; !strings.Contains(files[".vscode/settings.json"], want) {
				t.Errorf("no %s in %s", want, files[".vscode/settings.json"])
			}
			if !strings.HasSuffix(files[".envrc"], "\nexport A=\"1 2\"\nexport B=3\n") {
				t.Errorf(".envrc: %s", files[".envrc"])
			}
		})
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b"), "mine")
	err := scaffold.Files{"a/a": "x", "b": "y"}.WriteNew(dir)
	if want := filepath.Join(dir, "b") + " is there already; nothing was written"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		t.Error("something was written")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
