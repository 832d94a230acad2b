package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

const echoSchema = "../../sdk/gen/testdata/echo/schema.json"

const echoShown = `echo

tracks
  webcam      video  the model takes it
  mic         audio  the model takes it
  main_video  video  the model sends it
  main_audio  audio  the model sends it

commands
  set_burst: Emit frames in bursts.
      burst  integer from 1 to 120, 1 by default
  set_caption
      caption  text of at most 200 characters, "" by default
  set_effect: Choose what is done to the picture.
      effect  one of "none", "grayscale", "sepia", "edges", "invert", "blur", "pixelate", "none" by default
      → effect_changed
  set_intensity: Choose how strong the effect is.
      intensity  number from 0 to 1, 1 by default
      → effect_changed
  set_overlay_image: Blend an image over the picture.
      overlay_image     uploaded file, required
      overlay_strength  number from 0 to 1, 0.5 by default  Share of the image.

messages
  effect_changed
      effect     one of "none", "grayscale", "sepia", "edges", "invert", "blur", "pixelate"  The effect in use from now on.
      intensity  number                                                                      How strong it is.
`

func TestModelShow(t *testing.T) {
	var v invocation
	if code := v.main(t, "model", "show", echoSchema); code != exitDone {
		t.Fatalf("exit %d: %s", code, v.err.String())
	}
	if diff := cmp.Diff(v.out.String(), echoShown); diff != "" {
		t.Error(diff)
	}
}

// What --json prints can be kept and used again.
func TestModelShowJSON(t *testing.T) {
	srv := serve(t)
	var v invocation
	if code := v.main(t, "model", "show", srv.URL(), "--json"); code != exitDone {
		t.Fatalf("exit %d: %s", code, v.err.String())
	}
	file := filepath.Join(t.TempDir(), "x2.json")
	if err := os.WriteFile(file, []byte(v.out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var again, people invocation
	again.main(t, "model", "show", file, "--json")
	if diff := cmp.Diff(again.out.String(), v.out.String()); diff != "" {
		t.Error(diff)
	}
	people.main(t, "model", "show", file)
	if !strings.Contains(people.out.String(), "  set_brightness\n      brightness  number from 0 to 2, required\n") {
		t.Errorf("got %s", people.out.String())
	}
}

// A model of the cloud is asked in a session, which is ended.
func TestModelShowConnects(t *testing.T) {
	ended := make(chan string, 1)
	srv := serve(t, func(c *sessiontest.Config) {
		c.APIKey = key
		c.OrphanTimeout = -1 // nobody ends a session but the command
		c.Model.Ended = func(session, _ string) { ended <- session }
	})
	v := &invocation{env: map[string]string{"REACTOR_API_KEY": key, "REACTOR_API_URL": srv.URL()}}
	if code := v.main(t, "model", "show", "reactor/x2", "--connect"); code != exitDone {
		t.Fatalf("exit %d: %s", code, v.err.String())
	}
	if !strings.Contains(v.out.String(), "set_brightness") {
		t.Errorf("got %s", v.out.String())
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the session goes on")
	}
}

// A model's own words do not reach the terminal as orders to it.
func TestModelShowIsHarmless(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(file, []byte(`{"info": {"title": "a\u001b[2Jb"}, "webhooks": {"m\n\u0007x": {"post": {"summary": "c\u001b[31m\nd"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var v invocation
	v.main(t, "model", "show", file)
	want := "a[2Jb\n\ntracks\n\ncommands\n\nmessages\n  m x: c[31m d\n"
	if v.out.String() != want {
		t.Errorf("got %q, want %q", v.out.String(), want)
	}
}

func TestModelTroubles(t *testing.T) {
	srv := serve(t)
	loading := serve(t)
	loading.Fail(sessiontest.RouteSchema, sessiontest.Fault{Status: 200, Body: "{}"})
	strange := serve(t)
	strange.Fail(sessiontest.RouteSchema, sessiontest.Fault{Status: 404, Body: "nope"})
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no model", []string{"model", "show"}, exitUsage, "show: which model? Name one: a URL, a file or a model of the cloud"},
		{"unknown", []string{"model", "list"}, exitUsage, `model: unknown command "list" (see reactorpipe model --help)`},
		{"no such shell", []string{"completion", "nushell"}, exitUsage, `completion: unknown command "nushell" (see reactorpipe completion --help)`},
		{"a shell, nearly", []string{"completion", "basj"}, exitUsage, `completion: unknown command "basj", did you mean "bash"?`},
		{"no file", []string{"model", "show", "x2.json"}, exitConfig, "x2.json: no such file"},
		{"no JSON", []string{"model", "show", bad}, exitConfig, bad + ": model schema: unexpected end of JSON input"},
		{"cloud", []string{"model", "show", "reactor/x2"}, exitUsage, "reactor/x2: a model of the cloud tells its schema in a session only, which costs: add --connect, or name a file"},
		{"no key", []string{"model", "show", "reactor/x2", "--connect"}, exitConfig, "REACTOR_API_KEY: must be set to open a session"},
		{"loading", []string{"model", "show", loading.URL()}, exitFailed, loading.URL() + ": the model is still loading"},
		{"nobody", []string{"model", "show", "http://127.0.0.1:1"}, exitFailed, "http://127.0.0.1:1: nothing listens there: is the model running, and on that port?\n" +
			"reactorpipe: reactorpipe doctor --model http://127.0.0.1:1 goes the way there and names the hop that fails"},
		{"no model there", []string{"model", "show", strange.URL()}, exitFailed, strange.URL() + ": what answers there tells no schema: is that a model's address? (unexpected HTTP status 404 from schema: nope)\n" +
			"reactorpipe: reactorpipe doctor --model " + strange.URL() + " goes the way there and names the hop that fails"},
		{"an address without its scheme", []string{"model", "show", "localhost:8080"}, exitConfig, "must be a model's name, or an http or https URL such as http://localhost:8080, got localhost:8080"},
		{"gen without a model", []string{"gen", "--out", "x"}, exitUsage, "gen: needs --model and --out"},
		{"no package", []string{"gen", "--model", srv.URL(), "--out", "x-2"}, exitConfig, srv.URL() + `: package: must be a Go identifier other than main, got "x-2"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v invocation
			code := v.main(t, tt.args...)
			if want := "reactorpipe: " + tt.want + "\n"; code != tt.code || v.err.String() != want {
				t.Errorf("exit %d and\n%s\nwant exit %d and\n%s", code, v.err.String(), tt.code, want)
			}
		})
	}
}

// The command writes what the package does; the second time nothing, and says so.
func TestGen(t *testing.T) {
	out := filepath.Join(t.TempDir(), "echo")
	code, schema := filepath.Join(out, "client.go"), filepath.Join(out, "schema.json")
	for _, want := range []string{"wrote " + schema + "\nwrote " + code + "\n", "nothing has changed in " + out + "\n"} {
		var v invocation
		if code := v.main(t, "gen", "--model", echoSchema, "--out", out); code != exitDone || v.err.String() != want {
			t.Errorf("exit %d: %q, want %q", code, v.err.String(), want)
		}
	}
	got, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../sdk/gen/testdata/echo/client.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Error(diff)
	}
}
