package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// editable is a pipeline that records, with a caption.
const editable = `
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
stages:
- {name: move, type: motion}
- {name: boxes, type: overlay, config: {caption: "CAPTION"}}
sinks:
- {name: video, type: record, config: {path: DIR/v.mp4}}
- {name: lines, type: jsonl, config: {path: DIR/l.jsonl}}
`

// file is a pipeline's file that a test edits as it runs.
type file struct {
	path string
	text string
}

func newFile(t *testing.T, name, text, url string) *file {
	t.Helper()
	f := &file{path: write(t, name, ""), text: strings.ReplaceAll(text, "URL", url)}
	f.save(t)
	return f
}

// save writes the file as editors do: beside it, and then in its place.
func (f *file) save(t *testing.T, replace ...string) {
	t.Helper()
	f.text = strings.NewReplacer(replace...).Replace(f.text)
	text := strings.ReplaceAll(f.text, "DIR", filepath.Dir(f.path))
	if err := os.WriteFile(f.path+"~", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.path+"~", f.path); err != nil {
		t.Fatal(err)
	}
}

// lines waits until so many lines more are in the pipeline's l.jsonl.
func (f *file) moreLines(t *testing.T, v *invocation, n int) {
	t.Helper()
	count := func() int {
		text, _ := os.ReadFile(filepath.Join(filepath.Dir(f.path), "l.jsonl")) // it may not be there yet
		return strings.Count(string(text), "\n")
	}
	before := count()
	eventually(t, func() bool { return count() >= before+n }, func() string { return v.err.String() })
}

// logged returns the messages of one kind in the log, times left out.
func (v *invocation) logged(pattern string) []string {
	var found []string
	for line := range strings.Lines(v.err.String()) {
		if m := regexp.MustCompile(pattern).FindString(line); m != "" {
			found = append(found, m)
		}
	}
	return found
}

// Captions change in place, a stage is added in front of the recording, and
// neither that nor the session notices.
func TestSIGHUPTakesTheFileAnew(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	f := newFile(t, "p.yaml", editable, srv.URL())
	v := &invocation{hangups: make(chan os.Signal, 1)}
	summary := filepath.Join(t.TempDir(), "s.json")
	stop := v.start(t, "run", f.path, "--summary", summary, "--admin", "127.0.0.1:0")
	url := adminURL(t, v)
	f.moreLines(t, v, 10)

	f.save(t, "CAPTION", "on air", "{name: boxes", "{name: soft, type: blur}\n- {name: boxes")
	v.hangups <- syscall.SIGHUP
	v.err.waitFor(t, "msg=reloaded")
	f.moreLines(t, v, 10)
	f.save(t, "\n- {name: soft, type: blur}", "")
	v.hangups <- syscall.SIGHUP
	v.err.waitFor(t, "removed=[soft]")
	f.moreLines(t, v, 10)

	want := []string{
		"msg=reloaded kept=3 adjusted=[boxes] rebuilt=[] added=[soft] removed=[]",
		"msg=reloaded kept=3 adjusted=[boxes] rebuilt=[] added=[] removed=[soft]",
	}
	if diff := cmp.Diff(want, v.logged("msg=reloaded.*")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	probe(t, url+"/metrics", 200, `reactorpipe_reloads_total{pipeline="p",result="done"} 2`)
	if n := srv.Sessions(); n != 1 {
		t.Errorf("%d sessions at the server", n)
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	for _, once := range []string{`msg="session ready"`, "msg=recording"} {
		if n := len(v.logged(once)); n != 1 {
			t.Errorf("%s was logged %d times:\n%s", once, n, v.err.String())
		}
	}
	dir := filepath.Dir(f.path)
	shown, err := pictures(t, filepath.Join(dir, "v.mp4"))
	if lines := wholeLines(t, filepath.Join(dir, "l.jsonl")); err != nil || shown != lines {
		t.Errorf("%d pictures recorded (%v), %d lines", shown, err, lines)
	}
	const holds, fps = 2, 30.0
	if lost, _ := at(t, readSummary(t, summary), "frames", "dropped", "reload").(float64); lost > holds*fps {
		t.Errorf("%v frames lost to two holds of a second", lost)
	}
}

func TestAFileWithMistakesChangesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		replace []string
		want    []string
	}{
		{"all mistakes", []string{"{name: move, type: motion}", "{name: move, type: motoin}", "type: jsonl", "type: jsonl, raet: 5"}, []string{
			`p.yaml:6: stage "move": type: unknown kind "motoin" in stages, did you mean "motion"?`,
			`p.yaml:10: sink "lines": unknown field "raet", did you mean "rate"?`,
		}},
		{"a session", []string{`url: "http`, `wait: 7s, url: "http`}, []string{`p.yaml:3: session "main" changed, and that needs a restart`}},
		{"a source", []string{"track: main_video", "track: main_video, codecs: [vp8]"}, []string{`p.yaml:4: source "cam" changed, and that needs a restart`}},
		{"a folder that is not there", []string{"DIR/l.jsonl", "/dev/null/l.jsonl"}, []string{`p.yaml:10: sink "lines":`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t)
			f := newFile(t, "p.yaml", editable, srv.URL())
			v := &invocation{hangups: make(chan os.Signal, 1)}
			stop := v.start(t, "run", f.path)
			f.moreLines(t, v, 5)
			f.save(t, tt.replace...)
			v.hangups <- syscall.SIGHUP
			v.err.waitFor(t, "not reloaded, all stays as it is")
			f.moreLines(t, v, 5)
			said := v.logged("not reloaded.*")
			for i, want := range tt.want {
				if i >= len(said) || !strings.Contains(strings.ReplaceAll(said[i], `\"`, `"`), want) {
					t.Errorf("got %q\nwant %s", said, want)
				}
			}
			if len(said) != len(tt.want) {
				t.Errorf("%q", said)
			}
			if code := stop(); code != exitDone || srv.Sessions() != 0 {
				t.Errorf("exit %d, %d sessions:\n%s", code, srv.Sessions(), v.err.String())
			}
		})
	}
}

// Editors save in several steps, and rename. Each file is looked at by itself.
func TestWatchTakesFilesAsTheyAreSaved(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	one := newFile(t, "one.yaml", strings.Replace(editable, "name: p", "name: one", 1), srv.URL())
	other := newFile(t, "other.yaml", "name: other\nsources: {cam: {file: CLIP, loop: true, realtime: true}}\nsinks: [{name: log, type: log, config: {message: hello, limit: 1}}]", "")
	other.save(t, "CLIP", clip(t))
	v := &invocation{}
	stop := v.start(t, "run", one.path, other.path, "--watch")
	one.moreLines(t, v, 5)
	v.err.waitFor(t, "msg=hello")

	one.save(t, "CAPTION", "a", "type: overlay", "type: overly") // half a save
	one.save(t, "type: overly", "type: overlay")
	v.err.waitFor(t, "msg=reloaded pipeline=one")
	other.save(t, "hello", "goodbye")
	v.err.waitFor(t, "msg=goodbye")
	one.moreLines(t, v, 5)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if n := len(v.logged("pipeline=one")); n == 0 {
		t.Error("nothing logged")
	}
	if n := len(v.logged("msg=reloaded pipeline=one")); n != 1 {
		t.Errorf("one was reloaded %d times:\n%s", n, v.err.String())
	}
}

// At any moment SIGHUP is harmless: while the server is not there, and while
// what is in flight drains.
func TestSIGHUPIsHarmless(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	waiting := spawn(t, "run", write(t, "p.yaml", strings.ReplaceAll(watching, `"URL", wait: 1s`, `"http://`+addr+`", wait: 30s`)), "--admin", "off")
	waiting.err.waitFor(t, "refused")
	waiting.cmd.Process.Signal(syscall.SIGHUP)
	if state := waiting.end(t, syscall.SIGTERM); state.ExitCode() != exitDone {
		t.Errorf("%s:\n%s", state, waiting.err.String())
	}

	srv := serve(t)
	f := newFile(t, "p.yaml", recording, srv.URL())
	p := spawn(t, "run", f.path, "--admin", "off")
	p.err.waitFor(t, "msg=")
	for range 20 {
		p.cmd.Process.Signal(syscall.SIGHUP)
	}
	p.err.waitFor(t, "msg=recording")
	f.save(t, "l.jsonl", "m.jsonl")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.cmd.Process.Signal(syscall.SIGTERM)
	for range 20 {
		p.cmd.Process.Signal(syscall.SIGHUP)
	}
	if state := p.end(t, syscall.SIGHUP); state.ExitCode() != exitDone {
		t.Errorf("%s:\n%s", state, p.err.String())
	}
	if _, err := pictures(t, filepath.Join(filepath.Dir(f.path), "v.mp4")); err != nil || srv.Sessions() != 0 {
		t.Errorf("recording: %v, %d sessions at the server", err, srv.Sessions())
	}
}

// A line more at the top of a file with everything in it changes nothing.
func TestAFileThatOnlyMovesIsKept(t *testing.T) {
	t.Parallel()
	f := newFile(t, "p.yaml", `
name: p
session:
  sim: {width: 320, height: 240}
  start: [{command: set_prompt, data: {prompt: "a street"}}]
  stop: [{command: reset}]
  stall_after: 1m
  on_stall: [{command: reset}]
  renew: {before: 10s, again: [set_prompt]}
  budget: {sessions: 5, per: 1h}
sources:
  cam: {track: main_video}
  state: {message: state}
stages:
- {name: move, type: motion, from: cam}
- {name: boxes, type: overlay, from: cam, with: [move], config: {caption: "frame {{ frame.seq }}"}}
sinks:
- name: steer
  type: command
  from: boxes
  when: len(move.detections) > 99
  edge: rise
  config: {command: set_image, data: {image: {frame: "crop(move.detections[0])"}}}
- {name: back, type: publish, from: boxes, config: {track: source, fps: 15, user_data: "{{ frame.seq }}"}}
- {name: page, type: preview, from: boxes, config: {addr: "127.0.0.1:0"}}
- {name: lines, type: jsonl, from: boxes, config: {path: DIR/l.jsonl}}
`, "")
	v := &invocation{hangups: make(chan os.Signal, 1)}
	stop := v.start(t, "run", f.path)
	f.moreLines(t, v, 3)
	f.save(t, "name: p\n", "# a line more\nname: p\n")
	v.hangups <- syscall.SIGHUP
	v.err.waitFor(t, "eloaded")
	if said := v.logged("msg=reloaded.*"); len(said) != 1 || said[0] != "msg=reloaded kept=6 adjusted=[] rebuilt=[] added=[] removed=[]" {
		t.Errorf("got %q in\n%s", said, v.err.String())
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

// Where a simulator listens is the line's to know: the file stays as it was
// read, also for those who compare it with another version meanwhile.
func TestSIGHUPWhileASimulatorStarts(t *testing.T) {
	t.Parallel()
	f := newFile(t, "p.yaml", strings.Replace(editable, `{url: "URL"}`, "{sim: {width: 320, height: 240}}", 1), "")
	v := &invocation{hangups: make(chan os.Signal, 1)}
	v.hangups <- syscall.SIGHUP
	stop := v.start(t, "run", f.path)
	v.err.waitFor(t, "msg=reloaded kept=4 adjusted=[] rebuilt=[] added=[] removed=[]")
	f.moreLines(t, v, 5)
	f.save(t, "width: 320, height: 240", "width: 640, height: 480")
	v.hangups <- syscall.SIGHUP
	v.err.waitFor(t, `p.yaml:3: session \"main\" changed, and that needs a restart`)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

func TestALineLeavesItsFileAsItIs(t *testing.T) {
	path := write(t, "p.yaml", "session: {sim: {}}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]\n")
	read := func() *config.Spec {
		spec, err := config.Load(path, registry(), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return spec
	}
	l := newLine(lineConfig{spec: read(), log: slog.New(slog.DiscardHandler)})
	stop, err := l.simulate(t.Context())
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	if model := l.view().Sessions[0].Model; !strings.HasPrefix(model, "http://127.0.0.1:") {
		t.Errorf("the session is with %q", model)
	}
	if diff := cmp.Diff(l.spec.Sessions, read().Sessions); diff != "" {
		t.Errorf("the file has changed: %s", diff)
	}
}
