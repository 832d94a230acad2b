package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// notifySocket takes what a service says to its manager.
type notifySocket struct {
	path string
	conn *net.UnixConn
	said screenshot
}

func listenAsManager(t *testing.T) *notifySocket {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &notifySocket{path: filepath.Join(dir, "s")}
	if s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		message := make([]byte, 4096)
		for {
			n, err := s.conn.Read(message)
			if err != nil {
				return
			}
			fmt.Fprintf(&s.said, "%s\n", message[:n])
		}
	}()
	t.Cleanup(func() { s.conn.Close(); <-done })
	return s
}

// order returns where each of the words was first said.
func (s *notifySocket) order(words ...string) (at []int) {
	for _, w := range words {
		at = append(at, strings.Index(s.said.String(), w))
	}
	return at
}

// A service is ready when its pipelines run, tells what they do, that its loops
// turn, that it takes another file, and that it stops.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	manager := listenAsManager(t)
	path := watch(t, srv.URL())
	p := spawnWith(t, []string{"NOTIFY_SOCKET=" + manager.path, "WATCHDOG_USEC=400000"}, "run", path, "--admin", "off")
	manager.said.waitFor(t, "READY=1")
	manager.said.waitFor(t, "STATUS=p: running, playing")
	manager.said.waitFor(t, "WATCHDOG=1")

	// A model that falls silent is no reason to stop pinging.
	srv.Show(sessiontest.Stopped)
	manager.said.waitFor(t, "STATUS=p: running, idle")
	pings := func() int { return strings.Count(manager.said.String(), "WATCHDOG=1") }
	before := pings()
	eventually(t, func() bool { return pings() > before+3 }, manager.said.String)

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "stages: [{name: soft, type: blur}]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	manager.said.waitFor(t, "RELOADING=1\nMONOTONIC_USEC=")
	again := regexp.MustCompile(`(?s)RELOADING=1\nMONOTONIC_USEC=\d{4,}\n.*READY=1`)
	eventually(t, func() bool { return again.MatchString(manager.said.String()) }, manager.said.String)
	p.err.waitFor(t, "msg=reloaded")

	if state := p.end(t, syscall.SIGTERM); state.ExitCode() != exitDone {
		t.Errorf("%s:\n%s", state, p.err.String())
	}
	manager.said.waitFor(t, "STOPPING=1")
	if at := manager.order("STATUS=p: starting", "READY=1", "RELOADING=1", "STOPPING=1"); !slices.IsSorted(at) || at[0] < 0 {
		t.Errorf("said in the order %v:\n%s", at, manager.said.String())
	}
}

// A service whose file is wrong, or whose pipelines fail at the start, has never
// been ready; one that has done all its work at once has.
func TestServiceManagerAtTheStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		code       int
		ready      bool
	}{
		{"a mistake", "sources: {cam: {file: CLIP, lop: 1}}\nsinks: [{name: out, type: discard}]\n", exitConfig, false},
		{"no clip", "sources: {cam: {file: no.mp4}}\nsinks: [{name: out, type: discard}]\n", exitConfig, false},
		{"a short run", "sources: {cam: {file: CLIP}}\nsinks: [{name: out, type: discard}]\n", exitDone, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			manager := listenAsManager(t)
			path := write(t, "p.yaml", strings.ReplaceAll(tt.file, "CLIP", clip(t)))
			p := spawnWith(t, []string{"NOTIFY_SOCKET=" + manager.path}, "run", path, "--admin", "off", "--frames", "2")
			var exit *exec.ExitError
			if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := p.cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit %d, want %d:\n%s", code, tt.code, p.err.String())
			}
			if tt.ready {
				manager.said.waitFor(t, "STOPPING=1")
			}
			if ready := strings.Contains(manager.said.String(), "READY=1"); ready != tt.ready {
				t.Errorf("ready: %v, want %v:\n%s", ready, tt.ready, manager.said.String())
			}
		})
	}
}

// The watchdog barks where frames are in flight, nobody works on one, and
// nothing moves; never at a model's silence or a call that takes its time.
func TestLoops(t *testing.T) {
	source := func(in, out uint64, inFlight int) graph.NodeStats {
		return graph.NodeStats{Name: "cam", In: in, Out: out, InFlight: inFlight}
	}
	tests := []struct {
		name string
		then graph.Stats
		want bool
	}{
		{"nothing moves", graph.Stats{Sources: []graph.NodeStats{source(9, 5, 2)}, Stages: []graph.NodeStats{{In: 3}}}, true},
		{"frames are refused, nothing moves", graph.Stats{Sources: []graph.NodeStats{source(99, 5, 2)}, Stages: []graph.NodeStats{{In: 3}}}, true},
		{"a silent model", graph.Stats{Sources: []graph.NodeStats{source(9, 5, 0)}, Stages: []graph.NodeStats{{In: 3}}}, false},
		{"a call under way", graph.Stats{Sources: []graph.NodeStats{source(9, 5, 2)}, Stages: []graph.NodeStats{{In: 3, Busy: true}}}, false},
		{"a frame has moved", graph.Stats{Sources: []graph.NodeStats{source(9, 5, 2)}, Stages: []graph.NodeStats{{In: 4}}}, false},
		{"a frame has entered", graph.Stats{Sources: []graph.NodeStats{source(9, 6, 2)}, Stages: []graph.NodeStats{{In: 3}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l loops
			now := time.Unix(1000, 0)
			first := graph.Stats{Sources: []graph.NodeStats{source(9, 5, 2)}, Stages: []graph.NodeStats{{In: 3}}}
			if l.stuck(now, first) {
				t.Error("stuck at first sight")
			}
			if l.stuck(now.Add(standstill-time.Second), first) {
				t.Error("stuck too soon")
			}
			if got := l.stuck(now.Add(standstill), tt.then); got != tt.want {
				t.Errorf("stuck: %v, want %v", got, tt.want)
			}
		})
	}
}

// A manager is not pinged for a pipeline that is stuck.
func TestWatchdogOfAStuckPipeline(t *testing.T) {
	manager := listenAsManager(t)
	t.Setenv("NOTIFY_SOCKET", manager.path)
	m := &serviceManager{dog: true}
	m.report([]pipelineView{{Name: "p", Phase: phaseRunning, Stuck: true}, {Name: "q", Phase: phaseRunning}})
	manager.said.waitFor(t, "STATUS=p: running, nothing moves the frames in flight; q: running")
	m.report([]pipelineView{{Name: "p", Phase: phaseRunning}, {Name: "q", Phase: phaseRunning}})
	manager.said.waitFor(t, "STATUS=p: running; q: running\nWATCHDOG=1")
	if n := strings.Count(manager.said.String(), "WATCHDOG=1"); n != 1 {
		t.Errorf("%d pings, want 1", n)
	}
}

// The unit that ships is one that systemd takes as it is.
func TestUnit(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine: the unit is not verified")
	}
	const unit = "../../configs/reactorpipe.service"
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	// It looks for the program where the unit has it.
	program := filepath.Join(t.TempDir(), "reactorpipe")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	here := filepath.Join(t.TempDir(), "reactorpipe.service")
	if err := os.WriteFile(here, []byte(strings.ReplaceAll(string(text), "ExecStart=reactorpipe", "ExecStart="+program)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), verify, "verify", "--man=no", here).CombinedOutput()
	if err != nil || strings.Contains(string(out), "reactorpipe.service") {
		t.Errorf("%v\n%s", err, out)
	}
}
