package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
)

// What commands do to the picture is found in it, and told in the ledger, the
// summary and the digest. The simulator says behind each picture how many commands
// have changed it.
func TestEffectsOfCommands(t *testing.T) {
	t.Parallel()
	model, err := sim.Serve(t.Context(), sim.Config{Width: 160, Height: 120, FPS: 60, Delay: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	path := write(t, "p.yaml", strings.ReplaceAll(`
session: {url: "URL", commands: {ledger: DIR/ledger.jsonl}}
sources: {cam: {track: main_video}}
sinks:
- name: steer
  type: command
  when: frame.seq % 60 == 59
  config: {command: set_brightness, data: {brightness: "{{ frame.seq % 120 == 59 ? 0.5 : 1.0 }}"}}
- {name: lines, type: jsonl, config: {path: DIR/lines.jsonl}}
`, "URL", model.URL()))
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	if code := v.main(t, "run", path, "--frames", "270", "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	dir := filepath.Dir(path)
	truth, found := effectsIn(t, filepath.Join(dir, "lines.jsonl")), effectsOf(t, filepath.Join(dir, "ledger.jsonl"))
	right := 0
	for i, e := range found {
		at, shown := truth[i+1]
		switch {
		case e.Seen != "seen":
		case shown && at.before <= e.Seq && e.Seq <= at.first+1:
			right++
		default:
			t.Errorf("the effect of command %d was seen at frame %d, and is at %+v", i, e.Seq, at)
		}
	}
	// A machine that stands still for a moment may cost one or the other.
	if len(found) < 4 || right < 1 {
		t.Errorf("%d effects are told of, %d are right, in truth they are at %v: %+v", len(found), right, truth, found)
	}
	s := readSummary(t, summary)
	effects := s["effects"].([]any)[0].(map[string]any)
	if effects["command"] != "set_brightness" || effects["seen"].(float64) < 1 || effects["p50_ms"].(float64) < 100 {
		t.Errorf("summary: %v", effects)
	}
	if !strings.Contains(v.err.String(), "set_brightness: seen in the picture ") {
		t.Errorf("nothing of effects in:\n%s", v.err.String())
	}
}

// effectAt is where an effect is: behind the one frame, and at the latest in the
// other. Between them there are those that found no room in the line.
type effectAt struct{ before, first int }

// effectsIn returns where frames tell of one more effect.
func effectsIn(t *testing.T, path string) map[int]effectAt {
	t.Helper()
	at, before := make(map[int]effectAt), 0
	for line := range bytes.Lines(read(t, path)) {
		var f struct {
			Seq      int
			UserData struct{ Effects int } `json:"user_data"`
		}
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		if _, known := at[f.UserData.Effects]; !known {
			at[f.UserData.Effects] = effectAt{before, f.Seq}
		}
		before = f.Seq
	}
	return at
}

// foundEffect is one as a ledger tells of it.
type foundEffect struct {
	Seen string
	Seq  int
}

// effectsOf returns those of a ledger's commands, in the order of these.
func effectsOf(t *testing.T, path string) []foundEffect {
	t.Helper()
	var order []string
	effects := make(map[string]foundEffect)
	for line := range bytes.Lines(read(t, path)) {
		var r struct {
			Time, Outcome string
			Effect        *foundEffect
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Effect == nil {
			order = append(order, r.Time)
			continue
		}
		effects[r.Time] = *r.Effect
	}
	var all []foundEffect
	for _, at := range order {
		all = append(all, effects[at])
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
