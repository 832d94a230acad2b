package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// paintable is a model with commands of several types.
func paintable(c *sessiontest.Config) {
	c.Model.Commands = []sessiontest.Command{
		{
			Name: "set_prompt", Reply: "prompt_accepted", Args: []sessiontest.Arg{{Name: "prompt", Type: sessiontest.String()}},
			Handle: func(_ context.Context, call *sessiontest.Call) (*sessiontest.Message, error) {
				if call.Args["prompt"] == "forbidden" {
					return nil, &sessiontest.CommandError{Code: "moderated", Message: "not this"}
				}
				return &sessiontest.Message{Type: "prompt_accepted", Data: call.Args}, nil
			},
		},
		{Name: "set_brightness", Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2)}}},
		{Name: "set_image", Args: []sessiontest.Arg{{Name: "image", Type: sessiontest.File()}}},
		{Name: "set_all", Reply: "all_set", Args: []sessiontest.Arg{
			{Name: "n", Type: sessiontest.Integer(), Optional: true},
			{Name: "on", Type: sessiontest.Boolean(), Optional: true},
			{Name: "size", Type: sessiontest.OneOf("480p", "720p"), Optional: true},
			{Name: "note", Type: sessiontest.String().OrNull(), Optional: true},
			{Name: "weights", Type: sessiontest.Dict(sessiontest.Number()), Optional: true},
			{Name: "list", Type: sessiontest.List(sessiontest.Integer()), Optional: true},
		}, Handle: func(_ context.Context, call *sessiontest.Call) (*sessiontest.Message, error) {
			return &sessiontest.Message{Type: "all_set", Data: call.Args}, nil
		}},
	}
}

// still is a pipeline without a session that runs until it is stopped.
func still(t *testing.T, name string) string {
	t.Helper()
	return write(t, name+".yaml", "name: "+name+"\nsources: {cam: {file: \""+clip(t)+"\", loop: true, realtime: true}}\n"+
		"stages:\n- {name: soft, type: blur, config: {radius: 3}}\n"+
		"sinks: [{name: out, type: discard}]\n")
}

// until asks for a pipeline until it is in a phase.
func (c *client) until(t *testing.T, name string, want phase) map[string]any {
	t.Helper()
	var v map[string]any
	eventually(t, func() bool {
		_, v = c.do(t, "GET /v1/pipelines/{pipeline}", "/v1/pipelines/"+name, "")
		return v["phase"] == string(want)
	}, func() string { return fmt.Sprintf("%s is %v, want %s", name, v, want) })
	return v
}

// Every operation of the document, with answers that are as it says.
func TestAPI(t *testing.T) {
	t.Parallel()
	srv := serve(t, paintable)
	var v invocation
	stop := v.start(t, "run", watch(t, srv.URL()), still(t, "q"), "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)
	c := newClient(t, url)

	for _, page := range []string{"/healthz", "/readyz", "/metrics", "/v1/openapi.json"} {
		var status int
		var answer map[string]any
		eventually(t, func() bool { // a picture may be late
			status, answer = c.do(t, "GET "+page, page, "")
			return status == http.StatusOK
		}, func() string { return fmt.Sprintf("%s: %d %v", page, status, answer) })
	}
	_, all := c.do(t, "GET /v1/pipelines", "/v1/pipelines", "")
	var names []any
	for _, p := range all["pipelines"].([]any) {
		names = append(names, at(t, p, "name"))
	}
	if diff := cmp.Diff(names, []any{"p", "q"}); diff != "" {
		t.Error(diff)
	}
	p := c.until(t, "p", phaseRunning)
	session := p["sessions"].([]any)[0]
	if at(t, session, "status") != "ready" || at(t, session, "name") != "main" || at(t, session, "model") != srv.URL() {
		t.Errorf("session: %v", session)
	}
	cam := p["nodes"].([]any)[0]
	if at(t, cam, "role") != "source" || at(t, cam, "type") != "track" || at(t, cam, "name") != "cam" {
		t.Errorf("node: %v", cam)
	}
	if status, answer := c.do(t, "GET /v1/pipelines/{pipeline}", "/v1/pipelines/pp", ""); status != http.StatusNotFound || answer["error"] != `there is no pipeline "pp", did you mean "p"?` {
		t.Errorf("%d %v", status, answer)
	}
	if status, schema := c.do(t, "GET /v1/pipelines/{pipeline}/schema", "/v1/pipelines/p/schema", ""); status != http.StatusOK || schema["paths"] == nil {
		t.Errorf("schema: %d %v", status, schema)
	}
	sendThroughTheAPI(t, c)
	changeThroughTheAPI(t, c)
	stopAndStart(t, c)
	c.complete(t)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	nothingLeft(t, srv, v.err.String())
}

func sendThroughTheAPI(t *testing.T, c *client) {
	t.Helper()
	const commands = "/v1/pipelines/p/commands"
	status, file := c.do(t, "POST /v1/pipelines/{pipeline}/uploads", "/v1/pipelines/p/uploads?name=a.png", "picture", "Content-Type", "image/png")
	if status != http.StatusCreated || file["name"] != "a.png" || file["size"] != 7.0 || file["mime_type"] != "image/png" {
		t.Errorf("upload: %d %v", status, file)
	}
	const form = "application/x-www-form-urlencoded" // what curl says
	if _, file := c.do(t, "POST /v1/pipelines/{pipeline}/uploads", "/v1/pipelines/p/uploads?name=b.png", "picture", "Content-Type", form); file["mime_type"] != "image/png" {
		t.Errorf("upload by curl: %v", file)
	}
	ref, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		body   string
		status int
		want   map[string]any
	}{
		{`{"command":"set_prompt","args":{"prompt":"rain"}}`, http.StatusOK, map[string]any{"type": "prompt_accepted", "data": map[string]any{"prompt": "rain"}}},
		{`{"command":"set_brightness","args":{"brightness":1},"session":"main"}`, http.StatusOK, map[string]any{}},
		{`{"command":"set_image","args":{"image":` + string(ref) + `}}`, http.StatusOK, map[string]any{}},
		{`{"command":"set_prompt","args":{"prompt":"forbidden"}}`, http.StatusUnprocessableEntity, map[string]any{"error": "not this", "code": "moderated"}},
		{
			`{"command":"set_brightness","args":{"brightness":3}}`, http.StatusUnprocessableEntity,
			map[string]any{"error": "brightness: 3 is above the maximum of 2", "code": "invalid_command"},
		},
		{`{"command":"set_prompt","session":"other"}`, http.StatusBadRequest, map[string]any{"error": `session: must be main, got "other"`}},
		{`{"args":{}}`, http.StatusBadRequest, map[string]any{"error": "command: is missing"}},
		{`{"comand":"x"}`, http.StatusBadRequest, map[string]any{"error": `the body must be a command as JSON: json: unknown field "comand"`}},
	}
	for _, tt := range tests {
		status, answer := c.do(t, "POST /v1/pipelines/{pipeline}/commands", commands, tt.body)
		if diff := cmp.Diff(answer, tt.want); status != tt.status || diff != "" {
			t.Errorf("%s: %d, want %d: %s", tt.body, status, tt.status, diff)
		}
	}
	if status, answer := c.do(t, "POST /v1/pipelines/{pipeline}/commands", "/v1/pipelines/q/commands", `{"command":"x"}`); status != http.StatusBadRequest || answer["error"] != `pipeline "q" has no session` {
		t.Errorf("%d %v", status, answer)
	}
	_, ledger := c.do(t, "GET /v1/pipelines/{pipeline}/commands", commands, "")
	var got []string
	for _, r := range ledger["commands"].([]any) {
		got = append(got, fmt.Sprint(at(t, r, "command"), " ", at(t, r, "outcome"), " ", at(t, r, "cause", "node")))
	}
	want := []string{"set_prompt sent send", "set_brightness sent send", "set_image sent send", "set_prompt refused send", "set_brightness refused send"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	_, rest := c.do(t, "GET /v1/pipelines/{pipeline}/commands", commands+"?after="+fmt.Sprint(ledger["next"]), "")
	if n := len(rest["commands"].([]any)); n != 0 {
		t.Errorf("%d commands after the last", n)
	}
}

func changeThroughTheAPI(t *testing.T, c *client) {
	t.Helper()
	const operation, q = "PUT /v1/pipelines/{pipeline}", "/v1/pipelines/q"
	_, before := c.do(t, "GET /v1/pipelines/{pipeline}", q, "")
	file := before["file"].(string)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := c.do(t, operation, q, strings.ReplaceAll(string(text), "radius: 3", "radius: 5")); status != http.StatusOK {
		t.Errorf("another radius: %d %v", status, answer)
	}
	if status, answer := c.do(t, operation, q, ""); status != http.StatusOK {
		t.Errorf("the file again: %d %v", status, answer)
	}
	wrong := strings.NewReplacer("radius: 3", "radius: 4", "discard", "discrd").Replace(string(text))
	status, answer := c.do(t, operation, q, wrong)
	want := []any{
		map[string]any{"file": file, "line": 4.0, "message": `stage "soft": radius: must be odd and positive, got 4`},
		map[string]any{"file": file, "line": 5.0, "message": `sink "out": type: unknown kind "discrd" in sinks, did you mean "discard"?`},
	}
	if diff := cmp.Diff(answer["mistakes"], any(want)); status != http.StatusUnprocessableEntity || diff != "" {
		t.Errorf("two mistakes: %d %s", status, diff)
	}
	status, answer = c.do(t, operation, q, strings.ReplaceAll(string(text), "name: q", "name: r"))
	if want := file + ": name: must stay q while the process lives, got r"; status != http.StatusUnprocessableEntity || answer["error"] != want {
		t.Errorf("another name: %d %v", status, answer)
	}
	status, answer = c.do(t, operation, q, strings.ReplaceAll(string(text), "loop: true", "loop: false"))
	if status != http.StatusConflict || !strings.Contains(fmt.Sprint(answer["error"]), "restart") {
		t.Errorf("another source: %d %v", status, answer)
	}
}

func stopAndStart(t *testing.T, c *client) {
	t.Helper()
	const stop, start = "POST /v1/pipelines/{pipeline}/stop", "POST /v1/pipelines/{pipeline}/start"
	for _, name := range []string{"q", "p"} {
		path := "/v1/pipelines/" + name
		if status, v := c.do(t, stop, path+"/stop", ""); status != http.StatusOK || v["phase"] != string(phaseStopped) {
			t.Errorf("stop: %d %v", status, v)
		}
		if status, answer := c.do(t, stop, path+"/stop", ""); status != http.StatusConflict || answer["error"] != `pipeline "`+name+`" does not run` {
			t.Errorf("stop again: %d %v", status, answer)
		}
		if name == "q" {
			goesOn(t, c, "p")
		}
	}
	// The process waits, and is as ready as it was asked to be.
	if status, answer := c.do(t, "GET /readyz", "/readyz", ""); status != http.StatusOK {
		t.Errorf("ready: %d %v", status, answer)
	}
	for _, name := range []string{"q", "p"} {
		path := "/v1/pipelines/" + name
		if status, v := c.do(t, start, path+"/start", ""); status != http.StatusAccepted {
			t.Errorf("start: %d %v", status, v)
		}
		c.until(t, name, phaseRunning)
		if status, answer := c.do(t, start, path+"/start", ""); status != http.StatusConflict || answer["error"] != `pipeline "`+name+`" runs already` {
			t.Errorf("start again: %d %v", status, answer)
		}
	}
}

// goesOn fails unless frames come through a pipeline from now on.
func goesOn(t *testing.T, c *client, name string) {
	t.Helper()
	frames := func() float64 {
		v := c.until(t, name, phaseRunning)
		nodes := v["nodes"].([]any)
		return at(t, nodes[len(nodes)-1], "out").(float64)
	}
	before := frames()
	eventually(t, func() bool { return frames() > before }, func() string { return name + " stands still" })
}

// One that fails leaves the others alone, and can be started again once what it
// wanted is there.
func TestStartAfterAFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	late := filepath.Join(dir, "late")
	broken := write(t, "b.yaml", "name: b\nsources: {cam: {file: \""+clip(t)+"\", loop: true, realtime: true}}\n"+
		"sinks: [{name: lines, type: jsonl, config: {path: \""+late+"/l.jsonl\"}}]\n")
	if err := os.WriteFile(late, nil, 0o600); err != nil { // where the folder must be
		t.Fatal(err)
	}
	var v invocation
	stop := v.start(t, "run", broken, still(t, "q"), "--admin", "127.0.0.1:0")
	c := newClient(t, adminURL(t, &v))
	failed := c.until(t, "b", phaseFailed)
	if !strings.Contains(fmt.Sprint(failed["error"]), "not a directory") {
		t.Errorf("error: %v", failed["error"])
	}
	c.until(t, "q", phaseRunning)
	if err := errors.Join(os.Remove(late), os.Mkdir(late, 0o700)); err != nil {
		t.Fatal(err)
	}
	if status, answer := c.do(t, "POST /v1/pipelines/{pipeline}/start", "/v1/pipelines/b/start", ""); status != http.StatusAccepted {
		t.Errorf("start: %d %v", status, answer)
	}
	c.until(t, "b", phaseRunning)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if _, err := os.Stat(filepath.Join(late, "l.jsonl")); err != nil {
		t.Error(err)
	}
}

// The process ends with its last pipeline, and starts none while it does.
func TestProcessEndsWithItsPipelines(t *testing.T) {
	s := newSupervisor(nil, nil)
	p := &supervised{name: "p"}
	s.close()
	var state *conflictError
	if err := s.start(p); !errors.As(err, &state) || err.Error() != "the process is ending" {
		t.Errorf("got %v", err)
	}
}

// A web page must not reach the port of its visitor: neither under a name of
// its own (DNS rebinding) nor from its own origin.
func TestAdminForWebPages(t *testing.T) {
	t.Parallel()
	var v invocation
	v.start(t, "run", still(t, "q"), "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	c := newClient(t, url)
	c.until(t, "q", phaseRunning)
	tests := []struct {
		name, method, host string
		header             []string
		want               int
	}{
		{"a command line", http.MethodPost, "", nil, http.StatusConflict},
		{"localhost", http.MethodPost, "localhost:9090", nil, http.StatusConflict},
		{"IPv6", http.MethodPost, "[::1]:9090", nil, http.StatusConflict},
		{"a name without a port", http.MethodPost, "localhost", nil, http.StatusConflict},
		{"another name", http.MethodPost, "evil.example:9090", nil, http.StatusForbidden},
		{"another name, reading", http.MethodGet, "evil.example:9090", nil, http.StatusForbidden},
		{"another address", http.MethodGet, "192.0.2.1", nil, http.StatusForbidden},
		{"another origin", http.MethodPost, "", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"no origin", http.MethodPost, "", []string{"Origin", "null"}, http.StatusForbidden},
		{"another site", http.MethodPost, "", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"its own origin", http.MethodPost, "", []string{"Origin", url}, http.StatusConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := "/v1/pipelines/q/start"
			if tt.method == http.MethodGet {
				path = "/readyz"
			}
			r, err := http.NewRequestWithContext(t.Context(), tt.method, url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Host, r.Close = tt.host, true
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != tt.want {
				t.Errorf("status %d, want %d", answer.StatusCode, tt.want)
			}
		})
	}
}
