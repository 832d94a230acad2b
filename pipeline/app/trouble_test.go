package app

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// freePort is one that nobody listens on, nor is given by the system meanwhile.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// takenPort is one that somebody listens on.
func takenPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// lastLine is what the program says at the end.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Trouble at the start: what is said last, and the exit code.
func TestTroubleAtTheStart(t *testing.T) {
	t.Parallel()
	model := func(t *testing.T) string { return serve(t).URL() }
	cloud := serve(t, func(c *sessiontest.Config) { c.APIKey = "right" })
	inCloud := func(key string) map[string]string {
		return map[string]string{"REACTOR_API_KEY": key, "REACTOR_API_URL": cloud.URL()}
	}
	locked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(locked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	port := takenPort(t)
	tests := []struct {
		name, file string
		env        map[string]string
		args       []string
		code       int
		want       string // a pattern of the last line; FILE is the file's path
	}{
		{
			name: "a key that is refused", env: inCloud("wrong"), code: exitRefused,
			file: "session: {model: reactor/x2}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: session with reactor/x2: .*API key.*`,
		},
		{
			name: "no key", code: exitConfig,
			file: "session: {model: reactor/x2}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: FILE:1: session "main": no key for reactor/x2: set REACTOR_API_KEY, or api_key or token in the file`,
		},
		{
			name: "no key at another address", env: inCloud(""), code: exitRefused,
			file: "session: {model: reactor/x2}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: session with reactor/x2: .* \(the key comes from api_key or token in the file, or REACTOR_API_KEY or REACTOR_JWT\)`,
		},
		{
			name: "no such model", env: inCloud("right"), code: exitConfig,
			file: "session: {model: reactor/x3}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: model "reactor/x3": .*Model not found.*`,
		},
		{
			name: "no such track", code: exitConfig,
			file: "session: {url: URL}\nsources:\n  cam: {track: main_vidoe}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: FILE:3: source "cam": .*main_vidoe.*`,
		},
		{
			name: "a track of the other direction", code: exitConfig,
			file: "session: {url: URL}\nsources:\n  cam: {track: source}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: FILE:3: source "cam": track "source": the model does not send video on it`,
		},
		{
			name: "no such command", code: exitConfig,
			file: "session: {url: URL}\nsources: {cam: {track: main_video}}\nsinks:\n- {name: steer, type: command, config: {command: set_brightnes, data: {brightness: 1}}}",
			want: `reactorpipe: FILE:4: sink "steer": .*set_brightnes.*`,
		},
		{
			name: "a constant that the model refuses", code: exitConfig,
			file: "session: {url: URL}\nsources: {cam: {track: main_video}}\nsinks:\n- {name: steer, type: command, config: {command: set_brightness, data: {brightness: 3}}}",
			want: `reactorpipe: FILE:4: sink "steer": .*brightness.*`,
		},
		{
			name: "a start command that the model does not have", code: exitConfig,
			file: "session: {url: URL, start: [{command: dance}]}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: start: .*dance.*`,
		},
		{
			name: "a clip that is not there", code: exitConfig,
			file: "session: {sim: {clip: no.mp4}}\nsources: {cam: {track: main_video}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: session "main": simulator: .*no.mp4: .*`,
		},
		{
			name: "the page's port is taken", code: exitFailed,
			file: "sources: {cam: {file: CLIP}}\nsinks:\n- {name: page, type: preview, config: {addr: \"" + port + "\"}}",
			want: `reactorpipe: FILE:3: sink "page": addr: another program listens on ` + port + `: name another port, or leave addr out for one that is free`,
		},
		{
			name: "the admin port is taken", code: exitFailed, args: []string{"--admin", port},
			file: "sources: {cam: {file: CLIP}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: admin port: listen tcp ` + port + `: bind: address already in use \(choose another with --admin, or --admin off\)`,
		},
		{
			name: "a folder that cannot be written", code: exitFailed,
			file: "sources: {cam: {file: CLIP}}\nsinks:\n- {name: lines, type: jsonl, config: {path: \"" + locked + "/x.jsonl\"}}",
			want: `reactorpipe: FILE:3: sink "lines": path: .*not a directory`,
		},
		{
			name: "a summary that cannot be written", code: exitFailed, args: []string{"--summary", filepath.Join(locked, "s.json")},
			file: "sources: {cam: {file: CLIP}}\nsinks: [{name: out, type: discard}]",
			want: `reactorpipe: --summary: .*not a directory`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := strings.ReplaceAll(tt.file, "CLIP", clip(t))
			if strings.Contains(file, "URL") {
				file = strings.ReplaceAll(file, "URL", model(t))
			}
			path := write(t, "p.yaml", file)
			v := invocation{env: tt.env}
			if code := v.main(t, append([]string{"run", path}, tt.args...)...); code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			want := strings.ReplaceAll(tt.want, "FILE", regexp.QuoteMeta(path))
			if got := lastLine(v.err.String()); !regexp.MustCompile("^" + want + "$").MatchString(got) {
				t.Errorf("last line: %s\nwant: %s", got, want)
			}
			if strings.Contains(v.err.String(), "frames") {
				t.Errorf("frames have flowed:\n%s", v.err.String())
			}
		})
	}
}

// A server that is not there is said at once, and tried again.
func TestNoServer(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	var v invocation
	begun := time.Now()
	if code := v.main(t, "run", watch(t, "http://"+addr), "--set", "session.wait=3s"); code != exitFailed {
		t.Errorf("exit %d, want %d", code, exitFailed)
	}
	if waited := time.Since(begun); waited < 2900*time.Millisecond {
		t.Errorf("gave up after %s, want 3s of tries", waited)
	}
	lines := strings.Split(strings.TrimSpace(v.err.String()), "\n")
	if first := lines[0]; !strings.Contains(first, `level=WARN msg="session not open yet, trying again"`) || !strings.Contains(first, "connection refused") {
		t.Errorf("first line: %s", first)
	}
	want := regexp.MustCompile(`^reactorpipe: no session with http://` + regexp.QuoteMeta(addr) + ` after [0-9.]+s: .*connection refused$`)
	if last := lines[len(lines)-1]; !want.MatchString(last) {
		t.Errorf("last line: %s\nwant: %s", last, want)
	}
}

// A server that comes up while it is waited for is joined.
func TestServerThatIsLate(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	srv.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 503, Times: 1})
	var v invocation
	if code := v.main(t, "run", watch(t, srv.URL()), "--frames", "3", "--set", "session.wait=60s"); code != exitDone {
		t.Errorf("exit %d, want %d:\n%s", code, exitDone, v.err.String())
	}
	if !strings.Contains(v.err.String(), "session not open yet, trying again") {
		t.Errorf("the first failure was not said:\n%s", v.err.String())
	}
}

// An orderly end by the server is one of ours too.
func TestServerEndsTheSession(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	var v invocation
	stop := v.start(t, "run", watch(t, srv.URL()))
	v.err.waitFor(t, "msg=receiving")
	srv.EndSessions("stopped")
	v.err.waitFor(t, "p: ")
	if code := stop(); code != exitDone {
		t.Errorf("exit %d, want %d:\n%s", code, exitDone, v.err.String())
	}
	if strings.Contains(v.err.String(), "reactorpipe:") {
		t.Errorf("an error was told:\n%s", v.err.String())
	}
}

// A session is watched also where its end stops no source.
func TestServerEndsTheSessionBesideAFile(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	clip, err := filepath.Abs("../../configs/street.mp4")
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "p.yaml", strings.NewReplacer("URL", srv.URL(), "CLIP", clip).Replace(`
name: p
session: {url: "URL"}
sources: {cam: {file: CLIP, loop: true, realtime: true}}
sinks: [{name: out, type: discard}]
`))
	var v invocation
	stop := v.start(t, "run", path)
	v.err.waitFor(t, "session ready")
	eventually(t, func() bool { return srv.Connections() == 1 }, func() string { return "not connected" })
	srv.EndSessions("stopped")
	v.err.waitFor(t, "p: ")
	if code := stop(); code != exitDone {
		t.Errorf("exit %d, want %d:\n%s", code, exitDone, v.err.String())
	}
}

// A connection that is lost is made again; frames and files go on.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	stop := v.start(t, "run", watch(t, srv.URL()), "--summary", summary)
	v.err.waitFor(t, "msg=receiving")
	srv.Drop()
	v.err.waitFor(t, "connection restored")
	eventually(t, func() bool { return srv.Connections() == 1 }, func() string { return "not connected again" })
	if code := stop(); code != exitDone {
		t.Errorf("exit %d, want %d:\n%s", code, exitDone, v.err.String())
	}
	if srv.Sessions() != 0 {
		t.Error("the session was not ended")
	}
}

// A model that dies takes its session with it: what comes up in its place does
// not know it.
func TestModelDies(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	first, err := sessiontest.Serve(t.Context(), sessiontest.Config{Addr: addr, Model: sessiontest.Model{
		Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	path := write(t, "p.yaml", strings.ReplaceAll(`
name: p
session: {url: "http://ADDR", wait: 1s}
sources: {cam: {track: main_video}}
sinks: [{name: lines, type: jsonl, config: {path: DIR/lines.jsonl}}]
`, "ADDR", addr))
	var v invocation
	stop := v.start(t, "run", path)
	v.err.waitFor(t, "msg=receiving")
	first.Mute() // as a process that is killed: nobody says goodbye
	first.Close()
	v.err.waitFor(t, "connection lost, reconnecting")
	second := serve(t, func(c *sessiontest.Config) { c.Addr = addr })
	defer second.Close()
	v.err.waitFor(t, "reactorpipe: ")
	if code := stop(); code != exitFailed {
		t.Errorf("exit %d, want %d:\n%s", code, exitFailed, v.err.String())
	}
	// The source and the session notice at the same time.
	want := regexp.MustCompile(`^reactorpipe: (source "cam": track "main_video"|session "main"): .*the server no longer has the session$`)
	if last := lastLine(v.err.String()); !want.MatchString(last) {
		t.Errorf("last line: %s\nwant: %s", last, want)
	}
	wholeLines(t, filepath.Join(filepath.Dir(path), "lines.jsonl"))
}

// A full disk pauses what is written to it; the line goes on, and what was
// written before is whole.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := tinyDisk(t, 400<<10)
	path := write(t, "p.yaml", `
name: p
sources: {cam: {file: "`+clip(t)+`"}}
stages: [{name: small, type: resize, config: {width: 320}}]
sinks:
- {name: video, type: record, config: {path: "`+disk+`/v.mp4"}}
- {name: lines, type: jsonl, config: {path: "DIR/l.jsonl"}}
`)
	var v invocation
	if code := v.main(t, "run", path, "--frames", "200"); code != exitDone {
		t.Errorf("exit %d, want %d:\n%s", code, exitDone, v.err.String())
	}
	if !strings.Contains(v.err.String(), "recording pauses: write "+disk+"/v.mp4: no space left on device") {
		t.Errorf("the full disk was not said:\n%s", v.err.String())
	}
	if n := wholeLines(t, filepath.Join(filepath.Dir(path), "l.jsonl")); n != 200 {
		t.Errorf("%d lines on the other disk, want 200", n)
	}
	if n, err := pictures(t, filepath.Join(disk, "v.mp4")); n < 30 {
		t.Errorf("%d pictures play, then %v; want a second at least", n, err)
	}
}

// Lines wait for room; those that found none are not lost in silence.
func TestDiskFullOfLines(t *testing.T) {
	t.Parallel()
	disk := tinyDisk(t, 0)
	path := write(t, "p.yaml", `
name: p
sources: {cam: {file: "`+clip(t)+`"}}
sinks: [{name: lines, type: jsonl, config: {path: "`+disk+`/l.jsonl"}}]
`)
	var v invocation
	if code := v.main(t, "run", path, "--frames", "20"); code != exitFailed {
		t.Errorf("exit %d, want %d:\n%s", code, exitFailed, v.err.String())
	}
	want := `reactorpipe: sink "lines": close: 20 lines could not be written`
	if diff := cmp.Diff(lastLine(v.err.String()), want); diff != "" {
		t.Error(diff)
	}
}

// tinyDisk is a file system of 1 MiB with so much room left.
func tinyDisk(t *testing.T, room int) string {
	t.Helper()
	const size = 1 << 20
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("a full disk: cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, size-room), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
