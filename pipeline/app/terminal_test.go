package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// newPTY returns a terminal of 60 columns, and what is shown on it so far.
func newPTY(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}); err != nil {
		t.Fatal(err)
	}
	var s screenshot
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(&s, master) }) // ends with an error once tty is closed
	t.Cleanup(func() {
		tty.Close()
		wg.Wait()
		master.Close()
	})
	return tty, s.String
}

// On a terminal the progress line is rewritten in place, no wider than the
// window, below the lines of the log.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	tty, shown := newPTY(t)
	path := write(t, "p.yaml", "name: p\nsources: {cam: {file: \""+clip(t)+"\", loop: true, realtime: true}}\n"+
		"stages: [{name: moves, type: motion}]\nsinks: [{name: out, type: log, rate: 4fps}]\n")
	p := &program{registry: registry(), out: io.Discard, err: tty, getenv: func(string) (string, bool) { return "", false }}
	line := regexp.MustCompile(`\r\x1b\[K( +\d+\.\ds  \d+ frames  \d+\.\d fps  moves \d+  commands 0[^\r\n]*)`)
	below := regexp.MustCompile(`\r\x1b\[K\d\d:\d\d:\d\d\.\d{3} frame .*\r\n +\d+\.\ds  \d+ frames`)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	over := make(chan int, 1)
	go func() { over <- p.main(ctx, []string{"run", path, "--admin", "127.0.0.1:0"}) }()
	eventually(t, func() bool { return len(line.FindAllString(shown(), -1)) >= 2 && below.MatchString(shown()) }, shown)
	stop()
	if code := <-over; code != exitDone {
		t.Fatalf("exit %d:\n%s", code, shown())
	}
	eventually(t, func() bool { return strings.Contains(shown(), "  process ") }, shown)
	text := shown()
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} admin port ready   url=http://127\.0\.0\.1:\d+/readyz\r\n`).MatchString(text) {
		t.Errorf("log: %q", text)
	}
	for _, found := range line.FindAllStringSubmatch(text, -1) {
		if len(found[1]) > 59 {
			t.Errorf("%d columns: %q", len(found[1]), found[1])
		}
	}
	if !regexp.MustCompile(`\r\x1b\[K\r\np: \d+\.\d s\r\n`).MatchString(text) {
		t.Errorf("the line stayed: %q", text)
	}
}

// Elsewhere progress is a line of the log.
func TestProgressInALog(t *testing.T) {
	p := progress{
		elapsed: 30*time.Second + time.Second/3, frames: 900, fps: 29.966, seen: []seen{{"people", 4}},
		commands: 2, latency: quantiles{P50: 4.718, P95: 58.72}, dropped: 1,
	}
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("progress", p.attrs()...)
	want := "seconds=30 frames=900 fps=30 seen.people=4 commands=2 latency_p50_ms=4.7 latency_p95_ms=58.7 dropped=1\n"
	if _, got, _ := strings.Cut(text.String(), "msg=progress "); got != want {
		t.Errorf("got %s want %s", got, want)
	}
	lost := progress{session: sdk.StatusReconnecting}
	if got, want := lost.String(), "   0.0s  0 frames  0.0 fps  reconnecting  commands 0  latency 0 ms (p95 0)  dropped 0"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got, want := p.String(), "  30.3s  900 frames  30.0 fps  people 4  commands 2  latency 5 ms (p95 59)  dropped 1"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A line of the log at a terminal.
func TestConsole(t *testing.T) {
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"info", func(l *slog.Logger) { l.Info("session ready", "model", "reactor/x2") }, "session ready      model=reactor/x2"},
		{"warning", func(l *slog.Logger) { l.Warn("failed", "err", "no room left") }, `WARN failed             err="no room left"`},
		{"nothing but a message", func(l *slog.Logger) { l.Info("idle") }, "idle"},
		{"attributes of the logger", func(l *slog.Logger) { l.With("node", "cam").WithGroup("a").Info("lost", "b", 1) }, "lost               node=cam a.b=1"},
		{"the only session of a runtime", func(l *slog.Logger) { l.Info("session ready", "session_id", localSession) }, "session ready"},
		{"below the level", func(l *slog.Logger) { l.Debug("detail") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var text bytes.Buffer
			tt.log(slog.New(newConsole(&text, slog.LevelInfo)))
			if tt.want == "" {
				if text.Len() > 0 {
					t.Errorf("got %q, want nothing", text.String())
				}
				return
			}
			if !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} ` + regexp.QuoteMeta(tt.want) + `\n$`).MatchString(text.String()) {
				t.Errorf("got %q, want %q after the time", text.String(), tt.want)
			}
		})
	}
}
