package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// harness runs things in processes of their own, in turn.
type harness struct {
	runs    int
	seconds time.Duration // of a run of the tables that watch for long
	keep    string        // file of the results that such a table goes on from, "" for none
	cells   string        // of the table loss, separated by commas, "" for all
	frames  int           // of the table sessions, those from memory
	dir     string        // for clips, removed at the end
	root    string        // of the repository
	self    string
}

func newHarness(root string, runs int) (*harness, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "reactorpipe-bench-")
	if err != nil {
		return nil, err
	}
	return &harness{runs: runs, dir: dir, root: root, self: self}, nil
}

func (h *harness) close() { _ = os.RemoveAll(h.dir) }

// machine says where this was measured.
func machine() string {
	model := "unknown processor"
	f, err := os.Open("/proc/cpuinfo")
	if err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, ok := strings.CutPrefix(s.Text(), "model name"); ok {
				model = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.Version())
}

// clip makes 20 s of 720p30 test picture in the given codec, once.
func (h *harness) clip(ctx context.Context, codec string) (string, error) {
	encoders := map[string][]string{
		"h264": {"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-b:v", "4M", "-g", "300", "-bf", "0"},
		"vp8":  {"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M", "-g", "300", "-lag-in-frames", "0"},
		"vp9":  {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M", "-g", "300", "-lag-in-frames", "0", "-row-mt", "1"},
	}
	path := filepath.Join(h.dir, codec+".mkv")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	args := []string{"-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=20", "-pix_fmt", "yuv420p"}
	args = append(append(args, encoders[codec]...), "-y", path)
	if out, err := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("ffmpeg: %w: %s", err, out)
	}
	return path, nil
}

// cpu runs a command to its end and returns the CPU time that it took.
func (h *harness) cpu(ctx context.Context, name string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", name, err, stderr.String())
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// childFlag makes this program one of the measured processes.
const childFlag = "-child"

// children are the processes that this program can be, by name.
func children() map[string]func(ctx context.Context, args []string) error {
	return map[string]func(context.Context, []string) error{
		"decode": decodeChild, "serve": serveChild, "receive": receiveChild,
		"exec": execChild, "work": workChild, "await": awaitChild, "simulate": simulateChild,
		"start": startChild, "command": commandChild, "decide": decideChild, "rtp": rtpChild,
		"crowd": crowdChild, "grow": growChild, "allocate": allocateChild, "hour": hourChild, "publish": publishChild, "take": takeChild, "loop": loopChild,
	}
}

// childMain runs one of them. It ends when its standard input does.
func childMain(name string, args []string) int {
	run, ok := children()[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "bench: no such child:", name)
		return 2
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := run(ctx, args); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bench:", name+":", err)
		return 1
	}
	return 0
}

// child is one of this program's processes.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *json.Decoder
	stderr *strings.Builder
}

func (h *harness) start(ctx context.Context, name string, args ...string) (*child, error) {
	return h.startAt(ctx, here, name, args...)
}

func (h *harness) startAt(ctx context.Context, p place, name string, args ...string) (*child, error) {
	return begin(p.command(ctx, h.self, append([]string{childFlag, name}, args...)...))
}

// begin starts a program that says its results as JSON.
func begin(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, stderr: &strings.Builder{}}
	cmd.Stderr = c.stderr
	cmd.WaitDelay = patience
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var err error
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdout = json.NewDecoder(out)
	return c, cmd.Start()
}

// patience is how long a program may take to end.
const patience = 5 * time.Second

// read waits for what the child prints next.
func (c *child) read(v any) error {
	if err := c.stdout.Decode(v); err != nil {
		return fmt.Errorf("child: %w: %s", err, c.stderr)
	}
	return nil
}

// stop lets the child end.
func (c *child) stop() error {
	if err := c.stdin.Close(); err != nil {
		return err
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("child: %w: %s", err, c.stderr)
	}
	return nil
}

// interrupt ends a program that does not watch its standard input.
func (c *child) interrupt() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := c.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("child: %w: %s", err, c.stderr)
	}
	return nil
}

// lastLine is the last one of a text with anything in it: of what a program said
// before it ended, the reason.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// call runs a child to its end and reads the one thing that it prints.
func (h *harness) call(ctx context.Context, v any, name string, args ...string) error {
	return h.callAt(ctx, here, v, name, args...)
}

func (h *harness) callAt(ctx context.Context, p place, v any, name string, args ...string) error {
	c, err := h.startAt(ctx, p, name, args...)
	if err != nil {
		return err
	}
	return errors.Join(c.read(v), c.stop())
}

// tell prints v for the parent.
func tell(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// usedCPU returns the CPU time of this process so far.
func usedCPU() time.Duration { return cpuOf(unix.RUSAGE_SELF) }

// childrensCPU returns that of its children that have ended.
func childrensCPU() time.Duration { return cpuOf(unix.RUSAGE_CHILDREN) }

func cpuOf(who int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median[T float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// ratios divides pair by pair.
func ratios(a, b []time.Duration) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = float64(a[i]) / float64(b[i])
	}
	return r
}

func perFrame(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// compared is a row without a bar.
func compared(what string, a, b []time.Duration) row {
	return row{what: what, value: fmt.Sprintf("%s / %s = %.2f", perFrame(median(a)), perFrame(median(b)), median(ratios(a, b)))}
}

// atMost is a row whose ratio has a bar.
func atMost(what string, a, b []time.Duration, bar float64) row {
	r := compared(what, a, b)
	r.bar, r.ok = fmt.Sprintf("≤ %.2f", bar), median(ratios(a, b)) <= bar
	return r
}
