package app

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// drifting is a pipeline that sends the same brightness in two ways: one that is
// known from the file, one that is computed.
const drifting = `
name: p
session: {url: "URL", commands: {ledger: DIR/ledger.jsonl, effect: {within: 0s}}}
sources: {cam: {track: main_video}}
sinks:
- {name: known, type: command, rate: 5fps, when: "true", edge: while, config: {command: set_brightness, data: {brightness: 1.5}}}
- {name: computed, type: command, rate: 5fps, when: "true", edge: while, config: {command: set_contrast, data: {contrast: "{{ frame.seq > 0 ? 1.5 : 1.5 }}"}}}
`

// brightnessUpTo are the commands of a model whose settings go so far.
func brightnessUpTo(most float64) []sessiontest.Command {
	return []sessiontest.Command{
		{Name: "set_brightness", Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, most)}}},
		{Name: "set_contrast", Args: []sessiontest.Arg{{Name: "contrast", Type: sessiontest.Number().Between(0, most)}}},
	}
}

// A session comes back, by a plain reconnect, to a model that takes less: what it
// no longer takes is refused before it is sent, and why stands in the ledger. What
// is known from the file makes the pipeline unready, too, until there is a model
// again that takes it.
func TestAnotherSchemaAfterAReconnect(t *testing.T) {
	t.Parallel()
	srv := serve(t, func(c *sessiontest.Config) { c.Model.Commands = brightnessUpTo(2) })
	path := write(t, "p.yaml", strings.ReplaceAll(drifting, "URL", srv.URL()))
	ledger, summary := filepath.Join(filepath.Dir(path), "ledger.jsonl"), filepath.Join(filepath.Dir(path), "s.json")
	var v invocation
	stop := v.start(t, "run", path, "--admin", "127.0.0.1:0", "--summary", summary)
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)
	untilNoted(t, ledger, 0, "known", `"outcome":"sent"`)
	untilNoted(t, ledger, 0, "computed", `"outcome":"sent"`)

	reconnect(t, srv, 1)
	probe(t, url+"/readyz", http.StatusServiceUnavailable, `sink \"known\": command \"set_brightness\": brightness: 1.5 is above the maximum of 1`)
	v.err.waitFor(t, "the model is not what the pipeline was made for")
	drifted := noted(t, ledger)
	untilNoted(t, ledger, drifted, "known", `"outcome":"refused","reason":"disabled: command \"set_brightness\": brightness: 1.5 is above the maximum of 1"`)
	untilNoted(t, ledger, drifted, "computed", `"outcome":"refused","reason":"contrast: 1.5 is above the maximum of 1"`)

	reconnect(t, srv, 2)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)
	back := noted(t, ledger)
	untilNoted(t, ledger, back, "known", `"outcome":"sent"`)
	untilNoted(t, ledger, back, "computed", `"outcome":"sent"`)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	if s := readSummary(t, summary); s["reconnects"] != 2.0 {
		t.Errorf("%v reconnects, want 2", s["reconnects"])
	}
}

// reconnect has clients come back to a model whose settings go so far.
func reconnect(t *testing.T, srv *sessiontest.Server, most float64) {
	t.Helper()
	if err := srv.SetCommands(brightnessUpTo(most)...); err != nil {
		t.Fatal(err)
	}
	srv.Drop()
}

// noted returns the length of a ledger.
func noted(t *testing.T, ledger string) int {
	t.Helper()
	text, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

// untilNoted waits for a line of a sink in what a ledger has behind its first
// bytes.
func untilNoted(t *testing.T, ledger string, after int, sink, outcome string) {
	t.Helper()
	var text []byte
	eventually(t, func() bool {
		var err error
		text, err = os.ReadFile(ledger)
		for line := range strings.Lines(string(text[min(after, len(text)):])) {
			if strings.Contains(line, `"node":"`+sink+`"`) && strings.Contains(line, outcome) {
				return err == nil
			}
		}
		return false
	}, func() string { return "no " + outcome + " of " + sink + " in:\n" + string(text) })
}
