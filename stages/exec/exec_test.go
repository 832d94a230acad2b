package exec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/exec"
)

func TestStage(t *testing.T) {
	for name, more := range map[string]string{
		"measures": "pixels: bgr", "inverts": "writes: true", "sees": "pixels: none",
	} {
		t.Run(name, func(t *testing.T) {
			pipetest.Stage(t, pipetest.Case{
				Register: exec.Register, Kind: "exec", Config: command(name, more), Live: mat.Live, Width: 64, Height: 48,
			})
		})
	}
}

// command is a configuration that runs the test's program as one of its names.
func command(name, more string) string {
	if !strings.Contains(more, "timeout:") {
		more += "\ntimeout: 2m\nstart_timeout: 2m"
	}
	return fmt.Sprintf("command: [%q, %q]\nbackoff: 1ms\n%s", program, name, more)
}

// rig is a stage with a program, and what it says.
type rig struct {
	*testing.T
	stage pipeline.Stage
	log   *lines
	seq   uint64
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex // guards what follows
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, name, more string, env pipeline.Env) *rig {
	t.Helper()
	return startConfig(t, command(name, more), env)
}

func startConfig(t *testing.T, config string, env pipeline.Env) *rig {
	t.Helper()
	r := &rig{T: t, log: new(lines)}
	env.Name = "other"
	env.Log = slog.New(slog.NewTextHandler(r.log, nil))
	r.stage = pipetest.NewStage(t, pipetest.Case{Register: exec.Register, Kind: "exec", Config: config, Env: env})
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	if err := r.stage.(io.Closer).Close(); err != nil {
		r.Errorf("close: %v", err)
	}
}

// frame lends the stage the next frame, and looks at it afterwards.
func (r *rig) frame(look func(*pipeline.Frame)) error {
	r.Helper()
	return r.sized(8, 4, look)
}

func (r *rig) sized(width, height int, look func(*pipeline.Frame)) error {
	r.Helper()
	f := pipetest.NewFrame(r, pipeline.Format{Layout: pipeline.BGR24, Width: width, Height: height})
	defer f.Release()
	f.Seq = r.seq
	r.seq++
	f.Lend("other")
	err := r.stage.Process(r.Context(), f)
	if err == nil && look != nil {
		look(f)
	}
	return err
}

// good lends frames until one succeeds: a program is there again.
func (r *rig) good() {
	r.Helper()
	r.until("a good frame", func() bool { return r.frame(nil) == nil })
}

// until waits for what comes in time, whenever that is.
func (r *rig) until(what string, come func() bool) {
	r.Helper()
	late := time.After(2 * time.Minute)
	for !come() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-late:
			r.Fatalf("waited in vain for %s; the log:\n%s", what, r.log)
		}
	}
}

func (r *rig) logged(what string) {
	r.Helper()
	r.until(what+" in the log", func() bool { return strings.Contains(r.log.String(), what) })
}

func (r *rig) wantError(err error, want string) {
	r.Helper()
	if err == nil || err.Error() != want {
		r.Errorf("got %v, want %s", err, want)
	}
}

func TestPicturesOfAllSizes(t *testing.T) {
	r := start(t, "measures", "", pipeline.Env{})
	for _, size := range [][2]int{{8, 4}, {8, 4}, {13, 7}, {1, 1}, {1920, 1080}, {8, 4}} {
		err := r.sized(size[0], size[1], func(f *pipeline.Frame) {
			got, _ := pipeline.Get(f, pipeline.Measurements)
			if got["width"] != float64(size[0]) || got["height"] != float64(size[1]) {
				t.Errorf("the program saw %v, want %v", got, size)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestOrderOfColours(t *testing.T) {
	var first []float64
	for _, order := range []string{"rgb", "bgr"} {
		r := start(t, "measures", "pixels: "+order, pipeline.Env{})
		if err := r.frame(func(f *pipeline.Frame) {
			m, err := mat.View(f)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := pipeline.Get(f, pipeline.Measurements)
			pixel := m.GetVecbAt(0, 0)
			first = append(first, got["first"])
			if want := float64(pixel[map[string]int{"bgr": 0, "rgb": 2}[order]]); got["first"] != want {
				t.Errorf("%s begins with %g, want %g", order, got["first"], want)
			}
		}); err != nil {
			t.Error(err)
		}
	}
	if len(first) == 2 && first[0] == first[1] {
		t.Error("the test's picture does not tell the orders apart")
	}
}

func TestPixelsComeBack(t *testing.T) {
	for _, order := range []string{"rgb", "bgr"} {
		r := start(t, "inverts", "writes: true\npixels: "+order, pipeline.Env{})
		f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.BGR24, Width: 8, Height: 4})
		before, err := mat.View(f)
		if err != nil {
			t.Fatal(err)
		}
		was := before.GetVecbAt(1, 2)
		if err := r.stage.Process(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		after, err := mat.View(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range after.GetVecbAt(1, 2) {
			if v != ^was[i] {
				t.Errorf("%s: colour %d was %d and is %d", order, i, was[i], v)
			}
		}
		f.Release()
	}
}

// Positions are those of the picture in hand, both ways.
func TestAnnotationsBothWays(t *testing.T) {
	r := start(t, "sees", "", pipeline.Env{})
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.BGR24, Width: 8, Height: 4})
	defer f.Release()
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{Box: pipeline.Box{X: 10, Y: 20, Width: 30, Height: 40}, Label: "person"}})
	f.Replace(pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.BGR24, Width: 4, Height: 2}), pipeline.Scale(0.5, 0.5))
	f.Lend("other")
	r.stage.(pipeline.Resetter).Reset(pipeline.Loop)
	if err := r.stage.Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	r.logged(`{\"box\":{\"x\":5,\"y\":10,\"width\":15,\"height\":20},\"label\":\"person\"`)
	r.logged(`reset \"loop\"`)

	wantDetections := []pipeline.Detection{{Box: pipeline.Box{X: 1, Y: 2, Width: 3, Height: 4}, Label: "cat", Score: 0.5}}
	if got, _ := pipeline.GetFrom(f, "other", pipeline.Detections); !cmp.Equal(got, wantDetections) {
		t.Errorf("detections %v, want %v", got, wantDetections)
	}
	wantEvents := []pipeline.Event{{Name: "seen", Data: map[string]any{"n": 1.}}}
	if got, _ := pipeline.Get(f, pipeline.Events); !cmp.Equal(got, wantEvents) {
		t.Errorf("events %v, want %v", got, wantEvents)
	}
	if got, _ := pipeline.Get(f, pipeline.Texts); len(got) != 1 || got[0].Text != "EXIT" {
		t.Errorf("texts %v", got)
	}
	if _, set := pipeline.Get(f, pipeline.Measurements); set {
		t.Error("measurements are set, though the program said nothing of them")
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct{ program, more, want string }{
		{"fine", "", ""},
		{"drops", "", "frame dropped"},
		{"fails", "", "the program: ValueError: too dark"},
		{"spells", "", `the program: its result makes no sense: json: unknown field "detection"`},
		{"mistakes", "", "the program: its result makes no sense: detections: a object does not belong there"},
		{"oversteps", "sets: [events]", "the program: texts: the stage sets [events] only"},
		{"writes at it", "", "the program: pixels: they come back with writes: true only"},
		{"cuts short", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.program, func(t *testing.T) {
			r := start(t, tt.program, tt.more, pipeline.Env{})
			for range 2 { // which the program survives
				err := r.frame(nil)
				if got := message(err); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
			if tt.program == "cuts short" {
				r.logged("truncate: operation not permitted")
			}
		})
	}
}

func TestDiesAndIsStartedAgain(t *testing.T) {
	r := start(t, "dies", "", pipeline.Env{})
	if err := r.frame(nil); err != nil {
		t.Fatal(err)
	}
	r.wantError(r.frame(nil), "the program is gone: it ended: exit status 3")
	r.logged("out of luck")
	r.seq = 2
	r.until("another program", func() bool {
		r.seq = 2
		return r.frame(nil) == nil
	})
	r.logged(`msg="program ended" err="it ended: exit status 3" again_in=1ms`)
}

func TestDiesForGood(t *testing.T) {
	r := start(t, "dies at once", "restart: never", pipeline.Env{})
	err := r.frame(nil)
	r.until("the end", func() bool {
		err = r.frame(nil)
		return errors.Is(err, pipeline.ErrFatal)
	})
	r.wantError(err, "the program is gone: it ended: exit status 4: fatal")
}

func TestHangs(t *testing.T) {
	r := start(t, "hangs", "timeout: 200ms\nstart_timeout: 2m", pipeline.Env{})
	r.good()
	r.seq = 1
	r.wantError(r.frame(nil), "the program is gone: no answer to frame 1 within 200ms")
	r.good()
	r.logged(`msg="program ended" err="no answer to frame 1 within 200ms"`)
}

// The graph's own deadline counts, too.
func TestHangsLongerThanTheCall(t *testing.T) {
	r := start(t, "hangs", "", pipeline.Env{})
	r.good()
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 8, Height: 4})
	defer f.Release()
	f.Seq = 1
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r.wantError(r.stage.Process(ctx, f), "the program is gone: no answer to frame 1: context deadline exceeded")
	r.seq = 2
	r.good()
}

func TestNeverReady(t *testing.T) {
	r := start(t, "never ready", "start_timeout: 100ms\ntimeout: 2m", pipeline.Env{})
	r.wantError(r.frame(nil), "the program is not there: it was not ready within 100ms")
}

func TestNonsense(t *testing.T) {
	r := start(t, "stammers", "", pipeline.Env{})
	r.good()
	r.good()
	r.logged(`msg="program makes no sense" err="invalid character 'h' looking for beginning of value"`)
}

func TestFloods(t *testing.T) {
	r := start(t, "floods", "", pipeline.Env{})
	r.logged("more than 100 of its lines made no sense, the last: result: seq is not that of the frame that an answer is due for")
	if n := strings.Count(r.log.String(), "program makes no sense"); n > 20 {
		t.Errorf("%d lines of log", n)
	}
}

func TestNeverEndsALine(t *testing.T) {
	r := start(t, "never ends a line", "", pipeline.Env{})
	r.wantError(r.frame(nil), "the program is gone: it sent a line of more than 1048576 bytes")
}

func TestPrintsTooMuch(t *testing.T) {
	r := start(t, "prints", "", pipeline.Env{})
	for range 20 {
		r.good()
	}
	r.close()
	r.logged("program prints too much")
}

// Whatever a program does, it is gone after Close, with all of its children.
func TestNothingIsLeft(t *testing.T) {
	r := start(t, "has a child", "", pipeline.Env{})
	r.good()
	r.logged("child ")
	_, after, _ := strings.Cut(r.log.String(), "child ")
	text, _, _ := strings.Cut(after, `"`)
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	r.until("the end of the child", func() bool { return dead(pid) })
}

// host is a process with a stage and its program, until it is killed.
func host() {
	cfg := exec.Default()
	cfg.Command = []string{os.Args[2], "never listens"}
	_, err := exec.New(pipeline.Env{
		Name: "other", Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Log: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	}, cfg)
	if err != nil {
		panic(err)
	}
	select {}
}

// Who is killed without a chance to clean up leaves no program behind either.
func TestNothingIsLeftOfWhoIsKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, log: new(lines)}
	c := osexec.CommandContext(t.Context(), self, "host", program)
	c.Stdout, c.Stderr = r.log, r.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r.logged("program is ready")
	_, after, _ := strings.Cut(r.log.String(), "pid=")
	text, _, _ := strings.Cut(after, " ")
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	if dead(pid) {
		t.Fatal("the program is not there")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed
	r.until("the end of the program", func() bool { return dead(pid) })
}

// A program that wants more memory than it may have ends, and is started again.
func TestMemory(t *testing.T) {
	r := start(t, "hoards", "memory: 256MB", pipeline.Env{})
	r.good()
	r.seq = 1
	if err := r.frame(nil); err == nil {
		t.Fatal("it has 512 MiB")
	}
	r.logged("program ended") // how it says so depends on what it was about to do
	r.until("another program", func() bool {
		r.seq = 2
		return r.frame(nil) == nil
	})
	free := start(t, "hoards", "", pipeline.Env{})
	free.good()
	free.seq = 1
	if err := free.frame(nil); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func TestWillNotGo(t *testing.T) {
	before := descriptors(t)
	r := start(t, "will not go", "", pipeline.Env{})
	r.good()
	r.close()
	r.close()
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("there is a process left: %d, %v", pid, err)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d file descriptors before, %d after", before, after)
	}
}

func dead(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(status), ") ")
	return strings.HasPrefix(rest, "Z") // whose reaper is not us
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestCommands(t *testing.T) {
	session := &pipetest.Session{}
	r := start(t, "commands", "commands: [set_prompt]", pipeline.Env{Session: session})
	r.good()
	r.good()
	r.until("both commands", func() bool { return len(session.Commands()) == 2 })
	for i, c := range session.Commands() {
		want := map[string]any{"prompt": fmt.Sprintf("frame %d", i)}
		if c.Name != "set_prompt" || !cmp.Equal(c.Args, want) {
			t.Errorf("command %s %v, want %v", c.Name, c.Args, want)
		}
		if c.Cause.Node != "other" || c.Cause.Seq != uint64(i) || len(c.Cause.Frame) == 0 {
			t.Errorf("its cause is %+v", c.Cause)
		}
	}
	r.logged(`msg="command not taken" command=reset reason="commands: \"reset\" is not among them"`)
}

// What the program sees besides: its name, its folder, its limits, and no key.
func TestSurroundings(t *testing.T) {
	t.Setenv("REACTOR_API_KEY", "secret")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := start(t, "tells", "dir: sub\nenv: {COLOR: blue}\nmemory: 4GB\nnice: 5\ncpus: 1", pipeline.Env{Dir: dir})
	r.good()
	r.logged(`line="other blue true"`)
	r.logged("in " + filepath.Join(dir, "sub"))
	r.logged("memory 4000000000 nice 5 cpus 1")
}

func TestSavedFileStartsTheProgramAgain(t *testing.T) {
	tests := []struct{ name, dir, command string }{
		{"in the pipeline's folder", "DIR", "[sh, run.sh]"},
		{"in the current folder", ".", "[sh, run.sh]"},
		{"by the long way round", "DIR", "[sh, DIR/./run.sh]"},
		{"beside a program of the same folder", ".", "[./sh, run.sh]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			if err := os.Symlink("/bin/sh", "sh"); err != nil {
				t.Fatal(err)
			}
			write := func(word string) {
				t.Helper()
				text := fmt.Sprintf("echo %s\nexec '%s' fine\n", word, program)
				if err := os.WriteFile("run.sh.new", []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename("run.sh.new", "run.sh"); err != nil {
					t.Fatal(err)
				}
			}
			write("first")
			config := fmt.Sprintf("{command: %s, watch: true, backoff: 1h}", tt.command)
			r := startConfig(t, strings.ReplaceAll(config, "DIR", dir), pipeline.Env{Dir: strings.ReplaceAll(tt.dir, "DIR", dir)})
			r.good()
			r.logged("line=first")
			write("second")
			r.logged("line=second")
			r.good()
		})
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"no program", "command: [no-such-program]", `command: exec: "no-such-program": executable file not found in $PATH`},
		{"no file", "command: [./gone]", "command: exec: \"DIR/gone\": stat DIR/gone: no such file or directory"},
		{"no folder", "{command: [true], dir: gone}", "dir: stat DIR/gone: no such file or directory"},
		{"no environment", "{command: [x.py], venv: gone}", "venv: there is no DIR/gone/bin/python3"},
		{"no session", "{command: [true], commands: [set_prompt]}", "commands: there is no session to send them to"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := exec.Default()
			decodeYAML(t, tt.config, &cfg)
			_, err := exec.New(pipeline.Env{Dir: dir, Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Log: slog.New(slog.DiscardHandler)}, cfg)
			if got := strings.ReplaceAll(message(err), dir, "DIR"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
