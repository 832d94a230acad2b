package app

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/cv"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sinks"
	"github.com/reactorpipe/reactorpipe/stages"
)

// beTheProgram in the environment makes the test binary the program itself.
const beTheProgram = "REACTORPIPE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beTheProgram) != "" {
		os.Exit(Main(registry()))
	}
	ffmpeg.Silence()
	cv.OneThread()
	waitBesideEachOther()
	goleak.VerifyTestMain(m)
}

// waitBesideEachOther has more tests run at a time than there are processors:
// they wait for pictures in real time, lost connections and other programs more
// than they work. -parallel says otherwise.
func waitBesideEachOther() {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if parallel := flag.Lookup("test.parallel").Value; !said && runtime.GOMAXPROCS(0) < 4 {
		_ = parallel.Set("4") // a number
	}
}

func registry() *pipeline.Registry {
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	stages.Register(reg)
	sinks.Register(reg)
	return reg
}

// patience bounds what a test waits for, on a machine that is busy.
const patience = 2 * time.Minute

// invocation is one run of the program in this process.
type invocation struct {
	registry *pipeline.Registry
	env      map[string]string
	hangups  chan os.Signal // SIGHUPs
	out, err screenshot
}

func (v *invocation) main(t *testing.T, args ...string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code := v.mainUntil(ctx, args...)
	if ctx.Err() != nil {
		t.Fatalf("%q did not end:\n%s", args, v.err.String())
	}
	return code
}

// mainUntil ends with ctx, as Ctrl-C does. No admin port is opened but the one
// that args ask for.
func (v *invocation) mainUntil(ctx context.Context, args ...string) int {
	if args[0] == "run" && !slices.Contains(args, "--admin") {
		args = append(slices.Clone(args), "--admin", "off")
	}
	if v.registry == nil {
		v.registry = registry()
	}
	p := &program{registry: v.registry, out: &v.out, err: &v.err, hangups: v.hangups, getenv: func(name string) (string, bool) {
		value, ok := v.env[name]
		return value, ok
	}}
	return p.main(ctx, args)
}

// start runs the program beside the test. stop is Ctrl-C.
func (v *invocation) start(t *testing.T, args ...string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	code := make(chan int, 1)
	go func() { code <- v.mainUntil(ctx, args...) }()
	stop = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { stop() })
	return stop
}

// screenshot is what was printed so far.
type screenshot struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (s *screenshot) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screenshot) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor waits until some text is printed.
func (s *screenshot) waitFor(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(s.String(), text) }, func() string {
		return "no " + text + " in:\n" + s.String()
	})
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool, otherwise func() string) {
	t.Helper()
	deadline := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatal(otherwise())
		case <-look.C:
		}
	}
}

// write writes a pipeline's file, with the folder of the test in the place of
// DIR, and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// clip is people in a street, 768×576.
func clip(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../configs/street.mp4")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serve is a model with a picture, an input and a command.
func serve(t *testing.T, change ...func(*sessiontest.Config)) *sessiontest.Server {
	t.Helper()
	cfg := sessiontest.Config{Model: sessiontest.Model{
		Name: "reactor/x2",
		Tracks: []sessiontest.Track{
			{Name: "main_video", Loop: sessiontest.TestClips()},
			{Name: "source", Direction: sessiontest.SendOnly},
		},
		Commands: []sessiontest.Command{{
			Name: "set_brightness",
			Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2)}},
		}},
	}}
	for _, c := range change {
		c(&cfg)
	}
	return sessiontest.NewConfig(t, cfg)
}

// watching is a pipeline that looks at that model's picture.
const watching = `
name: p
session: {url: "URL", wait: 1s}
sources: {cam: {track: main_video}}
sinks: [{name: nowhere, type: discard}]
`

func watch(t *testing.T, url string) string {
	t.Helper()
	return write(t, "p.yaml", strings.ReplaceAll(watching, "URL", url))
}

// readSummary reads what --summary wrote.
func readSummary(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return s
}

// at follows keys into a summary.
func at(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no map at %q in %v", k, keys)
		}
		v = m[k]
	}
	return v
}
