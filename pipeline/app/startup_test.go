package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// tripwire ends a run at its nth point, while that is being passed: a line that
// is logged, or a request to the model. It never does where n is zero.
type tripwire struct {
	n    int
	trip func()

	mu     sync.Mutex // guards what follows
	passed int
	text   bytes.Buffer
}

func (w *tripwire) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed++
	if w.passed == w.n {
		w.trip()
	}
}

func (w *tripwire) points() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

func (w *tripwire) Write(p []byte) (int, error) {
	w.pass()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *tripwire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// before puts a tripwire in front of a model. It returns the model's other URL,
// and what sets the wire.
func before(t *testing.T, model string) (address string, set func(*tripwire)) {
	t.Helper()
	target, err := url.Parse(model)
	if err != nil {
		t.Fatal(err)
	}
	var wire atomic.Pointer[tripwire]
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // clients that went
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire.Load().pass()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return front.URL, wire.Store
}

// A run that is told to end at any point of its start ends in order: nothing
// fails, and no session or goroutine is left behind (TestMain looks for the
// latter).
func TestEndAtEveryPointOfTheStart(t *testing.T) {
	t.Parallel()
	srv := serve(t, paintable)
	address, set := before(t, srv.URL())
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session:
  url: "URL"
  start: [{command: set_prompt, data: {prompt: a}}, {command: set_brightness, data: {brightness: 1}}]
sources: {cam: {track: main_video}}
stages: [{name: soft, type: blur}]
sinks:
- {name: steer, type: command, when: frame.seq >= 1, config: {command: set_brightness, data: {brightness: 1.5}}}
- {name: lines, type: jsonl, config: {path: DIR/l.jsonl}}
`, "URL", address))
	run := func(n int) (code int, wire *tripwire) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		wire = &tripwire{n: n, trip: cancel}
		set(wire)
		p := &program{registry: registry(), out: wire, err: wire, getenv: func(string) (string, bool) { return "", false }}
		return p.main(ctx, []string{"run", path, "--admin", "127.0.0.1:0", "--log-level", "debug", "--frames", "5"}), wire
	}
	code, whole := run(0)
	if code != exitDone {
		t.Fatalf("exit %d:\n%s", code, whole)
	}
	points := whole.points()
	if points < 10 {
		t.Fatalf("only %d points in:\n%s", points, whole)
	}
	for n := 1; n <= points; n++ {
		code, wire := run(n)
		if code != exitDone || strings.Contains(wire.String(), "reactorpipe: ") {
			t.Errorf("at point %d of %d: exit %d:\n%s", n, points, code, wire)
		}
		eventually(t, func() bool { return srv.Sessions() == 0 }, func() string {
			return fmt.Sprintf("at point %d of %d a session is left:\n%s", n, points, wire)
		})
	}
	t.Logf("%d points", points)
}

// The same by a service manager's signal, at points that time chooses.
func TestSIGTERMDuringTheStart(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	for _, seen := range []string{"admin port ready", "session created", "session ready", "msg=recording"} {
		path := write(t, "p.yaml", strings.ReplaceAll(recording, "URL", srv.URL()))
		p := spawn(t, "run", path, "--admin", "127.0.0.1:0", "--log-level", "debug")
		p.err.waitFor(t, seen)
		if state := p.end(t, syscall.SIGTERM); state.ExitCode() != exitDone {
			t.Errorf("at %q: %s:\n%s", seen, state, p.err.String())
		}
		nothingLeft(t, srv, p.err.String())
	}
}
