package interop

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

const (
	patience = 2 * time.Minute // for anything that takes a moment
	farewell = 5 * time.Second // between SIGTERM and SIGKILL
)

// python returns the interpreter that has the published packages; the test is
// skipped where make interop found none.
func python(t *testing.T) string {
	t.Helper()
	interpreter := os.Getenv("REACTORPIPE_INTEROP")
	if interpreter == "" {
		t.Skip("needs the published runtime and client: make interop")
	}
	return interpreter
}

// reactorpipe returns the program under test, as make build leaves it.
func reactorpipe(t *testing.T) string {
	t.Helper()
	binary, err := filepath.Abs("../../bin/reactorpipe")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: make build", err)
	}
	return binary
}

// process is a program that runs beside the test and never outlives it.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdout pipetest.Log
	log    pipetest.Log
	exited chan struct{}
	err    error // of Wait; read it once exited is closed
}

// start runs a program in dir, with input to read. When the test ends the program is told to end
// too; its log is shown if the test failed.
func start(t *testing.T, dir string, env []string, input, name string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(name), cmd: exec.Command(name, args...), exited: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdin = strings.NewReader(input)
	p.cmd.Stdout = &p.stdout
	p.cmd.Stderr = &p.log
	p.cmd.WaitDelay = farewell
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s%s", p.name, p.stdout.String(), p.log.String())
		}
	})
	return p
}

// stop ends the program as an operator would, or else by force.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-time.After(farewell):
		t.Errorf("%s did not end %v after SIGTERM", p.name, farewell)
	}
	p.signal(t, syscall.SIGKILL)
	<-p.exited
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("%s: %v: %v", p.name, s, err)
	}
}

// wait returns the exit code of a program that ends by itself.
func (p *process) wait(t *testing.T, atMost time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(atMost):
		t.Fatalf("%s still runs after %v", p.name, atMost)
		return -1
	}
}

// until asks again and again whether a condition holds, for as long as the
// program runs and patience lasts.
func (p *process) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	giveUp := time.After(patience)
	for !holds() {
		select {
		case <-again.C:
		case <-p.exited:
			t.Fatalf("%s ended before %s: %v", p.name, what, p.err)
		case <-giveUp:
			t.Fatalf("%s: not %s within %v", p.name, what, patience)
		}
	}
}

// freePort returns a port of the loopback that nobody listens on just now.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		// Not one of those that systems hand out, for such a one may be taken at any moment.
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}
