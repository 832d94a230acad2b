package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func TestFramesEndsARun(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", "name: p\nsources: {cam: {file: \""+clip(t)+"\"}}\nsinks: [{name: lines, type: jsonl, config: {path: DIR/l.jsonl}}]\n")
	summary := filepath.Join(t.TempDir(), "new", "s.json")
	var v invocation
	if code := v.main(t, "run", path, "--frames", "7", "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	if n := wholeLines(t, filepath.Join(filepath.Dir(path), "l.jsonl")); n != 7 {
		t.Errorf("%d lines, want 7", n)
	}
	s := readSummary(t, summary)
	got := map[string]any{"frames": s["frames"], "name": s["name"], "reconnects": s["reconnects"], "commands": s["commands"]}
	want := map[string]any{
		"name": "p", "reconnects": 0.0, "commands": map[string]any{},
		"frames": map[string]any{"received": 7.0, "decoded": 7.0, "dropped": map[string]any{}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestDurationEndsARun(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", "sources: {cam: {file: \""+clip(t)+"\", loop: true, realtime: true}}\nsinks: [{name: out, type: discard}]\n")
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	if code := v.main(t, "run", path, "--duration", "500ms", "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	if s := readSummary(t, summary)["seconds"].(float64); s < 0.5 {
		t.Errorf("ended after %v s, want 0.5", s)
	}
}

// The summary of a run with a model has all that design wants of it.
func TestSummary(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
stages: [{name: soft, type: blur}]
sinks:
- name: steer
  type: command
  when: frame.seq >= 3
  config: {command: set_brightness, data: {brightness: 1.5}}
`, "URL", srv.URL()))
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	if code := v.main(t, "run", path, "--frames", "20", "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	s := readSummary(t, summary)
	if diff := cmp.Diff(s["commands"], any(map[string]any{"sent": 1.0})); diff != "" {
		t.Error(diff)
	}
	command := s["command_list"].([]any)[0]
	if got := at(t, command, "command"); got != "set_brightness" {
		t.Errorf("command: %v", got)
	}
	if got := at(t, command, "outcome"); got != "sent" {
		t.Errorf("outcome: %v", got)
	}
	var names []string
	for _, n := range s["nodes"].([]any) {
		names = append(names, at(t, n, "name").(string))
		_, timed := n.(map[string]any)["process_ms"]
		if source := at(t, n, "name") == "cam"; timed == source {
			t.Errorf("%v: process_ms: %v", names[len(names)-1], timed)
		}
	}
	if want := []string{"cam", "soft", "steer"}; !slices.Equal(names, want) {
		t.Errorf("nodes %v, want %v", names, want)
	}
	if got := at(t, s, "frames", "received").(float64); got < 20 {
		t.Errorf("received %v, want 20 at least", got)
	}
	for _, key := range []string{"seconds", "fps", "cpu_seconds", "peak_memory_bytes"} {
		if got := s[key].(float64); got <= 0 {
			t.Errorf("%s: %v, want more than 0", key, got)
		}
	}
	if got := at(t, s, "latency_ms", "p95").(float64); got <= 0 {
		t.Errorf("latency_ms.p95: %v, want more than 0", got)
	}
	for _, line := range []string{"p: ", "  frames ", "  latency ", "  commands   1 sent\n", `set_brightness {"brightness":1.5}: sent (`, "\n  soft ", "  process "} {
		if !strings.Contains(v.err.String(), line) {
			t.Errorf("the terminal's summary has no %q:\n%s", line, v.err.String())
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", "name: p\nsources: {cam: {file: nothing.mp4}}\nsinks: [{name: out, type: discard}]\n")
	var v invocation
	if code := v.main(t, "run", path, "--frames", "3", "--set", "cam.file="+clip(t), "--set", "name=other"); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	if !strings.Contains(v.err.String(), "\nother: ") {
		t.Errorf("the name was not changed:\n%s", v.err.String())
	}
}

// --sim needs no key, no server, and nothing else that the sessions of a file
// are made of.
func TestSim(t *testing.T) {
	t.Parallel()
	const rest = `
sources: {cam: {track: main_video}}
sinks:
- {name: out, type: discard}
`
	tests := []struct{ name, file, said string }{
		{"a model without a key", "session: {model: reactor/x2}" + rest, ""},
		{"a variable that is not set", "session: {model: reactor/x2, api_key: \"${MY_KEY}\", ice_servers: [\"turn:${MY_TURN}\"]}" + rest, ""},
		{"a local runtime", "session: {url: \"http://localhost:1\"}" + rest, ""},
		{"another clip", "session: {sim: {clip: no.mp4}}" + rest, ""},
		{"a session that the environment completes", "session:" + rest, ""},
		{"sessions by name", "sessions: {a: {model: reactor/x2, token: \"${MY_TOKEN}\"}, b: {url: \"http://localhost:1\"}}\n" +
			"sources: {cam: {track: main_video, session: a}, other: {track: second_video, session: b}}\n" +
			"sinks: [{name: out, type: discard, from: cam}, {name: more, type: discard, from: other}]\n", "session=b"},
		{"no session at all", "sources: {cam: {file: \"" + clip(t) + "\"}}\nsinks: [{name: out, type: discard}]\n", ""},
		{"start commands that wait", `
session:
  model: reactor/x2
  start:
  - {command: set_scene, data: {scene: harbour, sounds: [gulls]}, wait: scene_loaded}
  - {command: set_prompt, data: {prompt: rain}, wait: prompt_accepted}
sources: {cam: {track: main_video}}
sinks:
- {name: out, type: discard}
- {name: steer, type: command, when: frame.seq >= 2, config: {command: turn_around, data: {speed: 3}}}
`, "turn_around {\"speed\":3}: sent ("},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "p.yaml", tt.file)
			var v invocation
			if code := v.main(t, "run", path, "--sim", clip(t), "--frames", "10"); code != exitDone {
				t.Fatalf("exit %d:\n%s", code, v.err.String())
			}
			if !strings.Contains(v.err.String(), tt.said) {
				t.Errorf("no %q in:\n%s", tt.said, v.err.String())
			}
		})
	}
}

// One pipeline that fails leaves the others alone, says so at once, and makes
// the whole a failure.
func TestSeveral(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, "good.yaml", "name: good\nsources: {cam: {file: \""+clip(t)+"\", loop: true, realtime: true}}\nsinks: [{name: out, type: discard}]\n"))
	bad := strings.ReplaceAll("name: bad\nsources: {cam: {file: \"CLIP\"}}\nsinks: [{name: page, type: preview, config: {addr: \""+takenPort(t)+"\"}}]\n", "CLIP", clip(t))
	if err := os.WriteFile(filepath.Join(dir, "bad.yml"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	summary := filepath.Join(dir, "s.json")
	var v invocation
	stop := v.start(t, "run", dir, "--summary", summary, "--admin", "127.0.0.1:0")
	v.err.waitFor(t, `level=ERROR msg="pipeline failed" pipeline=bad err="`)
	probe(t, adminURL(t, &v)+"/readyz", http.StatusServiceUnavailable, `{"name":"good","ok":true,"phase":"running"`)
	if code := stop(); code != exitFailed {
		t.Errorf("exit %d, want %d", code, exitFailed)
	}
	if diff := cmp.Diff(lastLine(v.err.String()), "reactorpipe: pipeline bad failed"); diff != "" {
		t.Error(diff)
	}
	pipelines := readSummary(t, summary)["pipelines"].([]any)
	got := []any{at(t, pipelines[0], "name"), at(t, pipelines[0], "error") != nil, at(t, pipelines[1], "name"), at(t, pipelines[1], "error")}
	if diff := cmp.Diff(got, []any{"bad", true, "good", nil}); diff != "" {
		t.Error(diff)
	}
}

// The simulator serves pipelines until it is told to end.
func TestSimServes(t *testing.T) {
	t.Parallel()
	var model, v invocation
	stop := model.start(t, "sim", "--addr", "127.0.0.1:0", "--width", "320", "--height", "240", "--command", "dance")
	model.err.waitFor(t, `msg="model ready" url=`)
	_, url, _ := strings.Cut(strings.TrimSpace(model.err.String()), "url=")
	url, _, _ = strings.Cut(url, "\n")
	if code, body := ask(t, url+"/health"); code != http.StatusOK {
		t.Errorf("/health: %d %s", code, body)
	}
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL", start: [{command: dance, data: {partner: nobody}}]}
sources: {cam: {track: main_video}}
sinks: [{name: out, type: discard}]
`, "URL", url))
	if code := v.main(t, "run", path, "--frames", "3"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if code := stop(); code != exitDone {
		t.Errorf("sim: exit %d:\n%s", code, model.err.String())
	}
}

// The simulator sends what is encoded already.
func TestSimLoops(t *testing.T) {
	t.Parallel()
	var model, v invocation
	model.start(t, "sim", "--addr", "127.0.0.1:0", "--loop", "../../configs/street.mp4")
	model.err.waitFor(t, `msg="model ready" url=`)
	_, url, _ := strings.Cut(strings.TrimSpace(model.err.String()), "url=")
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
sinks: [{name: lines, type: jsonl, config: {path: DIR/l.jsonl}}]
`, "URL", url))
	if code := v.main(t, "run", path, "--frames", "3"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "l.jsonl"))
	if want := `"frame_id":3,"user_data":{"frame":2}`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%v: no %s in %s", err, want, text)
	}
	v = invocation{}
	want := "reactorpipe: --loop: is sent as it is: clip, codec, width, height, fps and bitrate do not go with it"
	if code := v.main(t, "sim", "--loop", "a.mp4", "--fps", "25"); code != exitUsage || !strings.HasPrefix(v.err.String(), want) {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

// The simulator stands in for another model.
func TestSimStandsIn(t *testing.T) {
	t.Parallel()
	var model, v invocation
	model.start(t, "sim", "--addr", "127.0.0.1:0", "--schema", "../../sdk/gen/testdata/helios/schema.json", "--loop", "../../configs/street.mp4")
	model.err.waitFor(t, `msg="model ready" url=`)
	_, url, _ := strings.Cut(strings.TrimSpace(model.err.String()), "url=")
	if code := v.main(t, "model", "show", url); code != exitDone || !strings.Contains(v.out.String(), "schedule_prompt") {
		t.Errorf("exit %d:\n%s%s", code, v.out.String(), v.err.String())
	}
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL", start: [{command: set_prompt, data: {prompt: fog}, wait: prompt_accepted}, {command: start, wait: generation_started}]}
sources: {cam: {track: main_video}}
sinks: [{name: out, type: discard}]
`, "URL", url))
	v = invocation{}
	if code := v.main(t, "run", path, "--frames", "3"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	v = invocation{}
	if code := v.main(t, "sim", "--schema", "none.json"); code != exitConfig || v.err.String() != "reactorpipe: --schema: open none.json: no such file or directory\n" {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

// What goes wrong at the simulator is said by flags, and shown and changed by
// HTTP.
func TestSimTrouble(t *testing.T) {
	t.Parallel()
	var model, v invocation
	model.start(t, "sim", "--addr", "127.0.0.1:0", "--width", "320", "--height", "240", "--sessions", "2",
		"--loss", "0.01", "--reorder", "0.02", "--duplicate", "0.03", "--latency", "20ms", "--jitter", "10ms", "--bandwidth", "5000000",
		"--show", "still", "--clock-skew", "-1h", "--trouble", `{"http": {"POST /stop_session": [{"status": 503, "times": 1}]}, "messages": {"data": [{"of": "error", "delay": "1s"}]}}`)
	model.err.waitFor(t, `msg="model ready" url=`)
	_, url, _ := strings.Cut(strings.TrimSpace(model.err.String()), "url=")
	url, _, _ = strings.Cut(url, "\n")
	_, body := ask(t, url+"/_trouble")
	want := `{"http":{"POST /stop_session":[{"status":503,"times":1}]},"messages":{"data":[{"of":"error","delay":"1s"}]},` +
		`"network":{"drop":0.01,"duplicate":0.03,"reorder":0.02,"bandwidth":5000000,"delay":"20ms","jitter":"10ms"},"show":"still","clock_skew":"-1h0m0s"}`
	if diff := cmp.Diff(strings.TrimSpace(body), want); diff != "" {
		t.Error(diff)
	}
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
sinks: [{name: out, type: discard}]
`, "URL", url))
	if code := v.main(t, "run", path, "--frames", "3"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

// What is wrong with the flags is said of the flags.
func TestSimFlags(t *testing.T) {
	port := takenPort(t)
	tests := []struct {
		flags string
		code  int
		want  string
	}{
		{"--show X", exitUsage, `--show: must be stopped, still, black or large, got "X"`},
		{"--loss 2", exitUsage, "--loss: must be 0 to 1, got 2"},
		{"--latency -1s", exitUsage, "--latency: must not be negative, got -1s"},
		{"--bandwidth -1", exitUsage, "--bandwidth: must not be negative, got -1"},
		{"--width 3", exitUsage, "--width, --height: must be even and not negative, got 3x0"},
		{"--needs-image --loop x", exitUsage, "--needs-image: is of the built-in model's picture: loop and schema do not go with it"},
		{"--session-limit -1s --record-chunk -2s", exitUsage, "--session-limit: must not be negative, got -1s\nreactorpipe: --record-chunk: must not be negative, got -2s"},
		{"--trouble {\"http\":{\"X\":[]}}", exitUsage, `--trouble: http: "X" is no route`},
		{"--trouble {\"network\":3}", exitUsage, `--trouble: network: must not be a number`},
		{"--trouble x", exitUsage, "--trouble: must be JSON, or @FILE with it: invalid character 'x' looking for beginning of value"},
		{"--addr x", exitUsage, `--addr: must be host:port, got "x"`},
		{"--addr " + port, exitFailed, "--addr: another program listens on " + port + ": name another port, or 127.0.0.1:0 for any that is free"},
		{"--clip none.mp4", exitConfig, "--clip: open none.mp4: no such file or directory"},
		{"--loop none.mp4", exitConfig, "--loop: open none.mp4: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.flags, func(t *testing.T) {
			var v invocation
			code := v.main(t, append([]string{"sim"}, strings.Fields(tt.flags)...)...)
			if want := "reactorpipe: " + tt.want + "\n"; code != tt.code || v.err.String() != want {
				t.Errorf("exit %d and\n%s\nwant exit %d and\n%s", code, v.err.String(), tt.code, want)
			}
		})
	}
}

// What happens once happens at its time, which begins with the first client.
func TestSimIncidents(t *testing.T) {
	t.Parallel()
	var model, v invocation
	model.start(t, "sim", "--addr", "127.0.0.1:0", "--width", "320", "--height", "240", "--happen", "end=used up@300ms", "--happen", "crash@400ms")
	model.err.waitFor(t, `msg="model ready" url=`)
	_, url, _ := strings.Cut(strings.TrimSpace(model.err.String()), "url=")
	url, _, _ = strings.Cut(url, "\n")
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
sinks: [{name: out, type: discard}]
`, "URL", url))
	if code := v.main(t, "run", path); code != exitFailed && code != exitDone || !strings.Contains(v.err.String(), "used up") {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	model.err.waitFor(t, "msg=trouble what=crash")
	file := filepath.Join(t.TempDir(), "t.json")
	if err := os.WriteFile(file, []byte(`{"show": "plaid"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ flag, value, want string }{
		{"--happen", "crash", "must be WHAT@TIME, such as crash@30s"},
		{"--happen", "crash@soon", `must end with a time such as 30s, got "soon"`},
		{"--happen", "burn@1s", `no such trouble as "burn"; there are drop, mute, end, moderate, crash, restart, expire_tokens`},
		{"--trouble", "{", "unexpected end of JSON input"},
		{"--trouble", `{"htpp": {}}`, `unknown field "htpp"`},
		{"--trouble", "@" + file, `show: must be stopped`},
		{"--trouble", "@none.json", "open none.json: no such file or directory"},
	} {
		v = invocation{}
		if code := v.main(t, "sim", tt.flag, tt.value); code != exitUsage || !strings.Contains(v.err.String(), tt.want) {
			t.Errorf("%s %s: exit %d: %s", tt.flag, tt.value, code, v.err.String())
		}
	}
}

// What a file says of its simulator reaches it.
func TestSimOfTheFile(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", `
name: p
session: {sim: {width: 320, height: 240, codec: h264, fps: 50, loss: 0.2}}
sources: {cam: {track: main_video, codecs: [h264]}}
sinks: [{name: lines, type: jsonl, config: {path: DIR/l.jsonl}}]
`)
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	if code := v.main(t, "run", path, "--duration", "2s", "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "l.jsonl"))
	if err != nil || !strings.Contains(string(text), `"width":320,"height":240`) {
		t.Errorf("%v: %.200s", err, text)
	}
	if !strings.Contains(v.err.String(), "codec=h264") {
		t.Errorf("no h264 in:\n%s", v.err.String())
	}
}

// Only where all pipelines fail alike is that what the exit code says.
func TestExitCodeOfSeveral(t *testing.T) {
	failed, config := errors.New("port taken"), pipeline.Invalid(errors.New("no such track"))
	refused := fmt.Errorf("open: %w", sdk.ErrUnauthorized)
	tests := []struct {
		name string
		errs []error
		want int
	}{
		{"all well", []error{nil, nil}, exitDone},
		{"one failed", []error{nil, failed}, exitFailed},
		{"one is wrong", []error{config, nil}, exitFailed},
		{"all are wrong", []error{config, config}, exitConfig},
		{"all are refused", []error{refused, refused}, exitRefused},
		{"each in its own way", []error{refused, config}, exitFailed},
		{"one alone", []error{config}, exitConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(errors.Join(alike(tt.errs)...)); got != tt.want {
				t.Errorf("exit %d, want %d", got, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", `
session: {model: reactor/x2}
sources: {cam: {track: main_video}}
stages: [{name: soft, type: blur}, {name: small, type: resize, config: {width: 64}}]
sinks: [{name: out, type: discard}]
`)
	var v invocation
	if code := v.main(t, "validate", path, "../../configs/quickstart.yaml"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	want := path + ": ok (1 source, 2 stages, 1 sink)\n../../configs/quickstart.yaml: ok (1 source, 2 stages, 5 sinks)\n"
	if diff := cmp.Diff(v.out.String(), want); diff != "" {
		t.Error(diff)
	}
}

// Ctrl-C drains: files are finished and the session is ended at the server.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
sinks:
- {name: video, type: record, config: {path: DIR/v.mp4}}
- {name: lines, type: jsonl, config: {path: DIR/l.jsonl}}
`, "URL", srv.URL()))
	var v invocation
	stop := v.start(t, "run", path)
	v.err.waitFor(t, "msg=recording")
	begun := time.Now()
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("drained in %s", took)
	}
	nothingLeft(t, srv, v.err.String())
	dir := filepath.Dir(path)
	lines := wholeLines(t, filepath.Join(dir, "l.jsonl"))
	shown, err := pictures(t, filepath.Join(dir, "v.mp4"))
	if err != nil || lines == 0 || shown != lines {
		t.Errorf("%d pictures recorded (%v), %d lines", shown, err, lines)
	}
}

// Ctrl-C while a server is waited for is no failure.
func TestCtrlCBeforeTheSession(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", strings.ReplaceAll(watching, "URL", "http://"+freePort(t)))
	var v invocation
	stop := v.start(t, "run", path, "--set", "session.wait=60s")
	v.err.waitFor(t, "session not open yet")
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

// on_exit: leave goes without a word about the session.
func TestLeave(t *testing.T) {
	t.Parallel()
	srv := serve(t, func(c *sessiontest.Config) { c.OrphanTimeout = -1 })
	var v invocation
	if code := v.main(t, "run", watch(t, srv.URL()), "--frames", "2", "--set", "session.on_exit=leave"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if n := srv.Sessions(); n != 1 {
		t.Errorf("%d sessions at the server, want 1", n)
	}
}

// A log for machines has nothing in it but JSON, and the name of the pipeline.
func TestLogOfJSON(t *testing.T) {
	t.Parallel()
	var v invocation
	if code := v.main(t, "run", watch(t, serve(t).URL()), "--log-format", "json", "--frames", "1"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if code := v.main(t, "run", watch(t, "http://"+freePort(t)), "--log-format", "json", "--set", "session.wait=300ms"); code != exitFailed {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	var last map[string]any
	var named []any
	for line := range strings.Lines(v.err.String()) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		named = append(named, last["pipeline"])
	}
	if !slices.Contains(named, "p") {
		t.Errorf("no line names the pipeline:\n%s", v.err.String())
	}
	if last["level"] != "ERROR" || last["msg"] != "run failed" || !strings.HasPrefix(last["err"].(string), "no session with ") {
		t.Errorf("last: %v", last)
	}
}

// Variables of the environment come first, then those of the last file that is
// named; what the files hold is never printed.
func TestEnvFile(t *testing.T) {
	path := write(t, "p.yaml", "name: p\nsources: {cam: {file: \"${CLIP}\"}}\nsinks: [{name: lines, type: jsonl, config: {path: \"${LINES}\"}}]\n")
	out := t.TempDir()
	first, second := filepath.Join(out, "first.env"), filepath.Join(out, "second.env")
	for file, text := range map[string]string{
		first:  "CLIP=nowhere.mp4\nLINES=nowhere.jsonl\n",
		second: "# where things are\nCLIP='" + clip(t) + "'\nLINES=elsewhere.jsonl\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := filepath.Join(out, "l.jsonl")
	v := invocation{env: map[string]string{"LINES": lines}}
	if code := v.main(t, "run", path, "--frames", "3", "--env-file", first, "--env-file", second); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	if n := wholeLines(t, lines); n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
	wrong := filepath.Join(out, "wrong.env")
	if err := os.WriteFile(wrong, []byte("CLIP=x\nTOKEN: secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(out, "missing.env")
	v = invocation{}
	if code := v.main(t, "validate", path, "--env-file", wrong, "--env-file", missing); code != exitConfig {
		t.Errorf("exit %d, want %d", code, exitConfig)
	}
	want := "reactorpipe: " + wrong + ":2: must be KEY=VALUE, the key of letters, digits and underscores\n" +
		"reactorpipe: " + missing + ": no such file or directory\n"
	if diff := cmp.Diff(v.err.String(), want); diff != "" {
		t.Error(diff)
	}
}
