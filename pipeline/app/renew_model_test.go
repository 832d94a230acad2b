package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// Between two sessions the program is well, and not ready. A model that does not
// take what the file sends is not what the pipeline was made for: it is not ready,
// says why, and sends nothing, until there is one that does.
func TestAnotherModelAfterARenewal(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	at := func(c *sessiontest.Config) { c.Addr = addr }
	first := serve(t, at)
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "http://ADDR", wait: 60s, renew: }
sources: {cam: {track: main_video}}
sinks:
- name: steer
  type: command
  when: frame.seq % 10 == 5
  config: {command: set_brightness, data: {brightness: 0.5}}
`, "ADDR", addr))
	var v invocation
	stop := v.start(t, "run", path, "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)

	first.Close()
	probe(t, url+"/readyz", http.StatusServiceUnavailable, `"main":"renewing"`)
	probe(t, url+"/healthz", http.StatusOK, `"main":"renewing"`)
	probe(t, url+"/metrics", http.StatusOK, `reactorpipe_session_ready{pipeline="p",session="main"} 0`)

	other := serve(t, at, func(c *sessiontest.Config) {
		c.Model.Commands = []sessiontest.Command{{Name: "set_light", Args: []sessiontest.Arg{{Name: "light", Type: sessiontest.Number()}}}}
	})
	probe(t, url+"/readyz", http.StatusServiceUnavailable, `sink \"steer\": unknown command \"set_brightness\"`)
	v.err.waitFor(t, "the model is not what the pipeline was made for")

	other.Close()
	back := serve(t, at)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)
	probe(t, url+"/metrics", http.StatusOK, `reactorpipe_session_ready{pipeline="p",session="main"} 1`)
	probe(t, url+"/metrics", http.StatusOK, `reactorpipe_source_renewal_gap_seconds{`)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
	back.Close()
}
