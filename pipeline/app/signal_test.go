package app

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// process is the program in a process of its own.
type process struct {
	cmd *exec.Cmd
	err screenshot
}

func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	return spawnWith(t, nil, args...)
}

// spawnWith adds to the environment.
func spawnWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...)}
	p.cmd.Env = append(append(os.Environ(), beTheProgram+"=1"), env...)
	p.cmd.Stderr = &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	return p
}

// end sends a signal and returns how the process ended.
func (p *process) end(t *testing.T, s os.Signal) *os.ProcessState {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState
}

// nothingLeft sees that the server has no session any more, unless the log says
// that it was too busy to be told.
func nothingLeft(t *testing.T, srv *sessiontest.Server, log string) {
	t.Helper()
	if n := srv.Sessions(); n != 0 && !strings.Contains(log, "session not ended at the server") {
		t.Fatalf("%d sessions at the server, want 0:\n%s", n, log)
	}
}

const recording = `
name: p
session: {url: "URL"}
sources: {cam: {track: main_video}}
sinks:
- {name: video, type: record, config: {path: DIR/v.mp4}}
- {name: lines, type: jsonl, config: {path: DIR/l.jsonl}}
`

// A service manager's SIGTERM drains, as Ctrl-C does.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	path := write(t, "p.yaml", strings.ReplaceAll(recording, "URL", srv.URL()))
	p := spawn(t, "run", path, "--admin", "off")
	p.err.waitFor(t, "msg=recording")
	if state := p.end(t, syscall.SIGTERM); state.ExitCode() != exitDone {
		t.Errorf("%s:\n%s", state, p.err.String())
	}
	nothingLeft(t, srv, p.err.String())
	if !strings.Contains(p.err.String(), "\np: ") {
		t.Errorf("no summary:\n%s", p.err.String())
	}
	dir := filepath.Dir(path)
	lines := wholeLines(t, filepath.Join(dir, "l.jsonl"))
	shown, err := pictures(t, filepath.Join(dir, "v.mp4"))
	if err != nil || lines == 0 || shown != lines {
		t.Errorf("%d pictures recorded (%v), %d lines", shown, err, lines)
	}
}

// After SIGKILL a recording plays, but for its last second. What still waits for
// the encoder is no part of it: so the model falls silent first.
func TestSIGKILL(t *testing.T) {
	t.Parallel()
	const fps = 30 // of the model's clip
	srv := serve(t)
	path := write(t, "p.yaml", strings.ReplaceAll(recording, "URL", srv.URL()))
	p := spawn(t, "run", path, "--admin", "127.0.0.1:0")
	c := newClient(t, adminIn(t, &p.err))
	written := func() (frames float64, all bool) {
		v := c.until(t, "p", phaseRunning)
		nodes := v["nodes"].([]any)
		came, out := at(t, nodes[0], "out").(float64), at(t, nodes[1], "out").(float64)
		return out, v["media"] == string(mediaIdle) && came == out
	}
	eventually(t, func() bool { n, _ := written(); return n > 2*fps }, p.err.String)
	srv.Show(sessiontest.Stopped)
	eventually(t, func() bool { _, all := written(); return all }, p.err.String)
	n, _ := written()
	p.end(t, syscall.SIGKILL)
	shown, err := pictures(t, filepath.Join(filepath.Dir(path), "v.mp4"))
	if least := int(n) - fps; shown < least {
		t.Errorf("%d pictures play (%v), want %d at least", shown, err, least)
	}
}
