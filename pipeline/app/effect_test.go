package app

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
)

// effects is how many commands of each sort are sent: 200 is the long form.
var effects = flag.Int("effects", 4, "commands with and without an effect in the picture")

// What commands do to the picture is found in it, and told in the ledger, the
// summary and the digest; what does nothing is not seen. The simulator says behind
// each picture how many commands have changed it.
func TestEffectsOfCommands(t *testing.T) {
	t.Parallel()
	trouble := effectsAreFound(t)
	// A machine that stands still for a moment may cost frames, commands and effects.
	for again := 10; trouble != "" && *effects < 20 && again > 0; again-- {
		t.Log(trouble)
		trouble = effectsAreFound(t)
	}
	if trouble != "" {
		t.Error(trouble)
	}
}

// effectsAreFound runs a pipeline with such commands, and says what is not as it
// should be.
func effectsAreFound(t *testing.T) (trouble string) {
	t.Helper()
	model, err := sim.Serve(t.Context(), sim.Config{Width: 160, Height: 120, FPS: 60, Delay: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	path := write(t, "p.yaml", strings.ReplaceAll(`
session: {url: "URL", commands: {ledger: DIR/ledger.jsonl, effect: {within: 400ms}, cycle: {repeats: 0}}}
sources: {cam: {track: main_video}}
sinks:
- name: steer
  type: command
  when: frame.seq % 60 >= 50
  config: {command: set_brightness, data: {brightness: "{{ frame.seq % 120 < 60 ? 0.5 : 1.0 }}"}}
- name: idle
  type: command
  when: frame.seq > 60 and frame.seq % 60 >= 20 and frame.seq % 60 < 40
  config: {command: set_caption, data: {caption: ""}}
- {name: lines, type: jsonl, config: {path: DIR/lines.jsonl}}
`, "URL", model.URL()))
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	if code := v.mainUntil(t.Context(), "run", path, "--frames", strconv.Itoa(60**effects+30), "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	dir := filepath.Dir(path)
	truth, found := effectsIn(t, filepath.Join(dir, "lines.jsonl")), effectsOf(t, filepath.Join(dir, "ledger.jsonl"))
	var sent, right, silent, alarms int
	for i, e := range found {
		at, shown := truth[i+1]
		isRight := e.Seen == "seen" && shown && at.before <= e.Seq && e.Seq <= at.first+1
		switch {
		case e.Command == "set_caption":
			silent++
			if e.Seen == "seen" {
				alarms++
			}
		case isRight:
			sent++
			right++
		default:
			sent++
			t.Logf("the effect of command %d is at %+v, and was %+v", i, at, e)
		}
	}
	t.Logf("%d of %d effects are right to the frame, %d false alarms of %d", right, sent, alarms, silent)
	least, most := 0.95*float64(sent), 0.02*float64(silent)
	if *effects < 20 { // the effect of one command may come close to another
		least, most = 1, float64(silent)
	}
	if sent < *effects || float64(right) < least || float64(alarms) > most {
		return fmt.Sprintf("%d of %d effects are right to the frame, %d false alarms of %d", right, sent, alarms, silent)
	}
	s := readSummary(t, summary)
	measured := s["effects"].([]any)[0].(map[string]any)
	if measured["command"] != "set_brightness" || measured["seen"].(float64) < 1 || measured["p50_ms"].(float64) < 100 {
		return fmt.Sprintf("summary: %v", measured)
	}
	if !strings.Contains(v.err.String(), "set_brightness: seen in the picture ") {
		return "nothing of effects in:\n" + v.err.String()
	}
	return ""
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
	Command string
	Seen    string
	Seq     int
}

// effectsOf returns those of a ledger's commands, in the order of these.
func effectsOf(t *testing.T, path string) []foundEffect {
	t.Helper()
	var all []foundEffect
	index := make(map[string]int)
	for line := range bytes.Lines(read(t, path)) {
		var r struct {
			Time, Command string
			Effect        *foundEffect
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Effect == nil {
			index[r.Time] = len(all)
			all = append(all, foundEffect{Command: r.Command})
			continue
		}
		found := &all[index[r.Time]]
		found.Seen, found.Seq = r.Effect.Seen, r.Effect.Seq
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
