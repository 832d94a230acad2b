package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// What a file names to be read lies beside it, what it names to be written beside
// the process.
func TestPaths(t *testing.T) {
	from := clip(t)
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"pipelines/p.yaml": "name: ${file:name}\nsources: {cam: {file: clips/c.mp4}}\n" +
			"sinks: [{name: lines, type: jsonl, config: {path: out/l.jsonl}}]\n",
		"pipelines/name": "beside\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("pipelines/clips", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(from, "pipelines/clips/c.mp4"); err != nil {
		t.Fatal(err)
	}
	var v invocation
	if code := v.main(t, "run", "pipelines/p.yaml", "--frames", "3", "--summary", "s.json"); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	if n := wholeLines(t, "out/l.jsonl"); n != 3 {
		t.Errorf("%d lines in out/l.jsonl of the working directory, want 3", n)
	}
	if name := readSummary(t, "s.json")["name"]; name != "beside" {
		t.Errorf("called %v, and the file beside it says: beside", name)
	}
	if _, err := os.Stat("pipelines/out"); err == nil {
		t.Error("something was written beside the file")
	}
}

// One model's picture steers another model.
func TestOneModelSteersAnother(t *testing.T) {
	t.Parallel()
	var toShown, toSteered atomic.Int32
	shown, steered := serve(t, counting(&toShown)), serve(t, counting(&toSteered))
	path := write(t, "p.yaml", strings.NewReplacer("SHOWN", shown.URL(), "STEERED", steered.URL()).Replace(`
name: p
sessions:
  shown: {url: "SHOWN"}
  steered: {url: "STEERED", commands: {ledger: DIR/steer.jsonl}}
sources:
  cam: {track: main_video, session: shown}
  other: {track: main_video, session: steered}
sinks:
  - name: steer
    type: command
    from: cam
    session: steered
    when: frame.seq >= 3
    config: {command: set_brightness, data: {brightness: 0.5}}
  - {name: away, type: discard, from: other}
`))
	var v invocation
	stop := v.start(t, "run", path)
	eventually(t, func() bool { return toSteered.Load() > 0 }, v.err.String)
	if code := stop(); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	ledger, err := os.ReadFile(filepath.Join(filepath.Dir(path), "steer.jsonl"))
	if err != nil || !strings.Contains(string(ledger), `"outcome":"sent"`) {
		t.Errorf("ledger: %s, %v", ledger, err)
	}
	if a, b := toShown.Load(), toSteered.Load(); a != 0 || b != 1 {
		t.Errorf("the model that is looked at got %d commands, the one that is steered %d; want 0 and 1", a, b)
	}
}

// counting has a model count its commands.
func counting(n *atomic.Int32) func(*sessiontest.Config) {
	return func(cfg *sessiontest.Config) {
		cfg.Model.Handle = func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
			n.Add(1)
			return nil, nil
		}
	}
}
