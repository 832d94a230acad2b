package interop

import (
	"flag"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// effects is how many commands of each sort are sent: 200 is the long form.
var effects = flag.Int("effects", 2, "commands with and without an effect in the picture")

// The first frame that shows what a command did is found in the picture of the
// real runtime, to the frame; commands that do nothing to it are not taken for
// ones that do.
func TestEffects(t *testing.T) {
	r := serve(t, "brightness")
	dir := t.TempDir()
	frames := 90*(*effects) + 75 + 45
	p := run(t, dir, r, "effects.yaml", nil, "--frames", strconv.Itoa(frames), "--summary", "summary.json")
	if code := p.wait(t, time.Minute+10*time.Second*time.Duration(*effects)); code != 0 {
		t.Fatalf("exit code %d, want 0", code)
	}
	truth := brightnessChanges(t, filepath.Join(dir, "events.jsonl"))
	var sent, right, alarms, silent int
	for _, c := range ledgerCommands(t, filepath.Join(dir, "ledger.jsonl")) {
		seen := c.Effect != nil && c.Effect.Seen == "seen"
		switch at := firstAfter(truth, c.Cause.Seq); {
		case c.Command == "set_text":
			silent++
			if seen {
				alarms++
			}
		default:
			sent++
			if seen && at-1 <= c.Effect.Seq && c.Effect.Seq <= at+1 {
				right++
			} else {
				t.Logf("the effect of %+v is at frame %d", c, at)
			}
		}
	}
	t.Logf("%d of %d effects are right to the frame, %d false alarms of %d", right, sent, alarms, silent)
	least, most := 95*sent, 2*silent
	if *effects < 20 {
		// A machine that stands still for a moment may cost one or the other, and
		// bring the effect of one command close to another.
		least, most = 1, 100*silent
	}
	if sent < *effects || right*100 < least {
		t.Errorf("%d of %d effects are right to the frame, want 95 %% of %d", right, sent, *effects)
	}
	if silent < *effects || alarms*100 > most {
		t.Errorf("%d of %d commands without effect were taken for ones with, want 2 %% of %d at most", alarms, silent, *effects)
	}
}

// brightnessChanges returns the frames that are the first with another brightness.
func brightnessChanges(t *testing.T, path string) (changes []int) {
	t.Helper()
	last := 1.0
	for _, line := range readLines[struct {
		Seq      int
		UserData struct{ Brightness *float64 } `json:"user_data"`
	}](t, path) {
		if b := line.UserData.Brightness; b != nil && *b != last {
			changes, last = append(changes, line.Seq), *b
		}
	}
	return changes
}

// firstAfter returns the first of some frames that comes after one.
func firstAfter(frames []int, seq int) int {
	i := slices.IndexFunc(frames, func(f int) bool { return f > seq })
	if i < 0 {
		return math.MaxInt
	}
	return frames[i]
}

// ledgerCommand is a line of a ledger that tells of a command, with what a later
// one tells of its effect.
type ledgerCommand struct {
	Time, Command, Outcome string
	Cause                  struct{ Seq int }
	Effect                 *struct {
		Seen string
		Seq  int
	}
}

func ledgerCommands(t *testing.T, path string) (commands []ledgerCommand) {
	t.Helper()
	for _, line := range readLines[ledgerCommand](t, path) {
		if line.Outcome == "sent" {
			commands = append(commands, line)
			continue
		}
		i := slices.IndexFunc(commands, func(c ledgerCommand) bool { return c.Time == line.Time })
		if i >= 0 && line.Effect != nil {
			commands[i].Effect = line.Effect
		}
	}
	return commands
}
