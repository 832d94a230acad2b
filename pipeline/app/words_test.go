package app

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// misfits are commands that the model of paintable does not take, with what is said
// of them wherever that is found out.
var misfits = []struct {
	command, args string // JSON
	want          string
}{
	{"dance", `{}`, `unknown command "dance"; the model has "set_all", "set_brightness", "set_image", "set_prompt"`},
	{"set_brightness", `{"brightness": 3}`, `brightness: 3 is above the maximum of 2`},
	{"set_brightness", `{"brightness": "high"}`, `brightness: expected number, got "high"`},
	{"set_all", `{"n": 3.5}`, `n: expected integer, got 3.5`},
	{"set_all", `{"size": "4k"}`, `size: "4k" is not one of ["480p","720p"]`},
	{"set_all", `{"weights": {"a": "x"}}`, `weights: a: expected number, got "x"`},
	{"set_prompt", `{"promt": "x"}`, `promt: unexpected argument; the command takes "prompt"; prompt: missing required argument`},
	{"set_image", `{"image": "a.png"}`, `image: expected an uploaded file, got "a.png"`},
}

// A command that the model does not take is refused in the same words, by whoever
// it is sent: a Go program, a sink at the start, somebody over the admin port, and a
// test of a pipeline.
func TestSameWords(t *testing.T) {
	t.Parallel()
	s, err := sdk.Connect(t.Context(), sdk.Config{BaseURL: serve(t, paintable).URL(), Local: true, CheckCommands: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	schema, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sinks, rehearsed := &strings.Builder{}, &strings.Builder{}
	document := write(t, "schema.json", string(schema))
	for i, m := range misfits {
		var args map[string]any
		if err := json.Unmarshal([]byte(m.args), &args); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Command(t.Context(), m.command, args); err == nil || !strings.HasSuffix(err.Error(), m.want) {
			t.Errorf("sdk: got  %v\nwant %s", err, m.want)
		}
		fmt.Fprintf(sinks, "- {name: misfit_%d, type: command, when: frame.seq == 5, config: {command: %s, data: %s}}\n", i, m.command, m.args)
		fmt.Fprintf(rehearsed, "- name: misfit %d\n  schema: %s\n  set: [steer.config.command=%s, 'steer.config.data=%s']\n  sources: {cam: {frames: 10}}\n  expect: {fails: '%s'}\n",
			i, document, m.command, m.args, m.want)
	}

	srv := serve(t, paintable)
	head := "name: p\nsession: {url: \"" + srv.URL() + "\", wait: 1s}\nsources: {cam: {track: main_video}}\nsinks:\n"
	var bad invocation
	if code := bad.main(t, "run", write(t, "p.yaml", head+sinks.String())); code != exitConfig {
		t.Errorf("run: exit %d", code)
	}
	for i, m := range misfits {
		if !strings.Contains(bad.err.String(), fmt.Sprintf("sink %q: ", fmt.Sprint("misfit_", i))) || !strings.Contains(bad.err.String(), m.want) {
			t.Errorf("run: no %s in\n%s", m.want, bad.err.String())
		}
	}

	path := write(t, "q.yaml", head+"- {name: steer, type: command, when: frame.seq == 5, config: {command: dance}}\n")
	if err := os.WriteFile(strings.TrimSuffix(path, ".yaml")+"_test.yaml", []byte("tests:\n"+rehearsed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := runProgram(t, "test", path); code != exitDone {
		t.Errorf("test: exit %d:\n%s", code, out)
	}

	var v invocation
	stop := v.start(t, "run", watch(t, srv.URL()), "--admin", "127.0.0.1:0")
	c := newClient(t, adminURL(t, &v))
	c.until(t, "p", phaseRunning)
	for _, m := range misfits {
		body := fmt.Sprintf(`{"command": %q, "args": %s}`, m.command, m.args)
		if _, got := c.do(t, "POST /v1/pipelines/{pipeline}/commands", "/v1/pipelines/p/commands", body); !strings.HasSuffix(fmt.Sprint(got["error"]), m.want) {
			t.Errorf("admin port: got  %v\nwant %s", got, m.want)
		}
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}
