package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
)

// sessionsBench finds how many sessions a process holds on this machine beside
// their server, and what each of them takes.
func sessionsBench() bench {
	return bench{
		name: "sessions", title: "720p30 sessions in one process, their server in another on the same cores",
		run: inTurn(holdRows, publishedHoldRows, memoryRows, allocationRows, hourRows),
	}
}

// What it takes to say that sessions are held, and how many are wanted.
const (
	heldFPS    = 29
	heldP95    = 50 * time.Millisecond
	wantedHeld = 20
)

// crowd is what a process saw of several sessions at once when they had settled.
type crowd struct {
	FPS     float64       // of the slowest
	P95     time.Duration // last packet of a frame → the frame in the first stage, of the worst session
	CPU     time.Duration // of the process in a second
	Memory  int64         // resident, in bytes
	Dropped uint64        // frames
	Allocated
}

func (c crowd) held() bool { return c.FPS >= heldFPS && c.P95 <= heldP95 }

func (c crowd) String() string {
	s := fmt.Sprintf("%.1f fps, %.2f cores", c.FPS, c.CPU.Seconds())
	if c.P95 > 0 {
		s += fmt.Sprintf(", p95 %.1f ms", float64(c.P95.Microseconds())/1000)
	}
	return s
}

// pixels is what the one stage of a session's pipeline wants.
type pixels string

const (
	asDecoded pixels = "decoded" // a look at nothing
	asBGR     pixels = "bgr"
)

func holdRows(ctx context.Context, h *harness) ([]row, error) {
	var rows []row
	for _, kind := range []struct {
		codec string
		p     pixels
		bar   bool
	}{{"h264", asDecoded, true}, {"vp8", asDecoded, true}, {"vp8", asBGR, false}} {
		held, err := climbed(ctx, fmt.Sprintf("sessions held, %s, frames %s in the stage", kind.codec, kind.p), wantedHeld, func(n int) (crowd, error) {
			return h.crowd(ctx, kind.codec, n, kind.p)
		})
		if err != nil {
			return nil, err
		}
		if kind.bar {
			held.row.bar, held.row.ok = fmt.Sprintf("≥ %d", wantedHeld), held.most >= wantedHeld
		}
		rows = append(append(rows, held.row), held.beyond...)
	}
	return rows, nil
}

// publishedHoldRows are those of the published client. It does not say when
// packets came, so that its frames need only be as many. It decodes VP8, and no
// H.264.
func publishedHoldRows(ctx context.Context, h *harness) ([]row, error) {
	python, err := h.python(ctx)
	if errors.Is(err, errNoPython) {
		return []row{{what: "the Python SDK", value: "skipped: " + err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	held, err := climbed(ctx, "the Python SDK: sessions held, whatever its p95, vp8, frames as RGB", wantedHeld/2, func(n int) (c crowd, err error) {
		err = h.served(ctx, "vp8", func(url string) error {
			client, err := begin(here.command(ctx, python, filepath.Join(h.dir, "python", "many.py"), url, strconv.Itoa(n)))
			if err != nil {
				return err
			}
			return errors.Join(client.read(&c), client.stop())
		})
		return c, err
	})
	return append([]row{held.row}, held.beyond...), err
}

// held is how many sessions are, and a row of those that were too many.
type held struct {
	most   int
	row    row
	beyond []row
}

// climbed tries numbers of sessions from first on, two apart.
func climbed(ctx context.Context, what string, first int, try func(n int) (crowd, error)) (held, error) {
	const step = 2
	tries := map[int]crowd{}
	most, err := climb(first, step, func(n int) (bool, error) {
		c, err := try(n)
		tries[n] = c
		return c.held(), err
	})
	out := held{most: most, row: row{what: what, value: fmt.Sprintf("%d: %v", most, tries[most])}}
	if next, tried := tries[most+step]; tried {
		out.beyond = []row{{what: fmt.Sprintf("… and with %d", most+step), value: next.String()}}
	}
	return out, errors.Join(err, ctx.Err())
}

// climb finds the most that is held: up from first, or down where that is too
// much. What is not held is tried once more, for machines are noisy.
func climb(first, step int, hold func(n int) (bool, error)) (most int, err error) {
	try := func(n int) (bool, error) {
		ok, err := hold(n)
		if ok || err != nil {
			return ok, err
		}
		return hold(n)
	}
	ok, err := try(first)
	if !ok {
		for most = first - step; most > 0 && !ok && err == nil; most -= step {
			if ok, err = try(most); ok {
				return most, err
			}
		}
		return 0, err
	}
	for most = first; most+step <= fullHouse; most += step {
		if ok, err = try(most + step); !ok || err != nil {
			return most, err
		}
	}
	return most, nil
}

func memoryRows(ctx context.Context, h *harness) ([]row, error) {
	const more, bar = 10, 25 << 20
	var all []float64
	for range h.runs {
		one, err := h.crowd(ctx, "h264", 1, asBGR)
		if err != nil {
			return nil, err
		}
		many, err := h.crowd(ctx, "h264", 1+more, asBGR)
		if err != nil {
			return nil, err
		}
		all = append(all, float64(many.Memory-one.Memory)/more)
	}
	each := median(all)
	return []row{{
		what: "memory for each further session, frames as BGR", value: fmt.Sprintf("%.1f MB", each/(1<<20)),
		bar: "≤ 25 MB", ok: each <= bar,
	}}, nil
}

func allocationRows(ctx context.Context, h *harness) ([]row, error) {
	c, err := h.crowd(ctx, "h264", 1, asBGR, "allocations")
	if err != nil {
		return nil, err
	}
	rows := []row{
		{what: "allocations per frame from the wire, our code", value: fmt.Sprintf("%.2f", c.Ours), bar: "0", ok: c.Ours < 0.005},
		{what: "… all code", value: fmt.Sprintf("%.1f", c.All)},
	}
	for _, s := range c.Sites {
		rows = append(rows, row{what: "… " + s.Function, value: fmt.Sprintf("%.2f", s.PerFrame)})
	}
	return rows, nil
}

func hourRows(ctx context.Context, h *harness) ([]row, error) {
	const bar = 1 << 20
	clip, err := h.clip(ctx, "h264")
	if err != nil {
		return nil, err
	}
	var got hour
	if err := h.call(ctx, &got, "hour", clip, strconv.Itoa(h.frames)); err != nil {
		return nil, err
	}
	grown := got.After - got.Before
	return []row{{
		what:  fmt.Sprintf("%d frames from memory in %.0f s: memory at %d frames and at the end", got.Frames, got.Took.Seconds(), hourSettled),
		value: fmt.Sprintf("%.1f MB, %.1f MB", float64(got.Before)/(1<<20), float64(got.After)/(1<<20)), bar: "1 MB more", ok: grown <= bar,
	}}, nil
}

// served does something while a server in a process of its own is there.
func (h *harness) served(ctx context.Context, codec string, do func(url string) error) error {
	clip, err := h.clip(ctx, codec)
	if err != nil {
		return err
	}
	server, err := h.start(ctx, "serve", clip)
	if err != nil {
		return err
	}
	var url string
	err = server.read(&url)
	if err == nil {
		err = do(url)
	}
	return errors.Join(err, server.stop())
}

func (h *harness) crowd(ctx context.Context, codec string, sessions int, p pixels, extra ...string) (crowd, error) {
	var c crowd
	err := h.served(ctx, codec, func(url string) error {
		return h.call(ctx, &c, "crowd", append([]string{url, codec, strconv.Itoa(sessions), string(p)}, extra...)...)
	})
	return c, err
}

// crowdChild runs as many pipelines of one track and one stage. Its arguments are
// the server's URL, the codec, how many, their pixels, and "allocations" where they are to
// be counted.
func crowdChild(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	counting := len(args) > 4
	if counting {
		countAllocations()
	}
	var all []*member
	running, stop := context.WithCancel(ctx)
	failed := make(chan error, count)
	var wg sync.WaitGroup
	end := func() error {
		stop()
		wg.Wait()
		close(failed)
		var errs []error
		for err := range failed {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	for range count {
		m, err := join(ctx, args[0], args[1], pixels(args[3]))
		if err != nil {
			return errors.Join(err, end())
		}
		all = append(all, m)
		wg.Go(func() { failed <- m.run(running) })
	}
	if err := pause(ctx, settleSeconds*time.Second); err != nil {
		return errors.Join(err, end())
	}
	c, err := observe(ctx, all, counting)
	return errors.Join(err, end(), tell(c))
}

// observe looks at all members for some time.
func observe(ctx context.Context, all []*member, counting bool) (crowd, error) {
	var before allocations
	if counting {
		before = readAllocations()
	}
	for _, m := range all {
		m.begin()
	}
	at, cpu := time.Now(), usedCPU()
	if err := pause(ctx, receiveSeconds*time.Second); err != nil {
		return crowd{}, err
	}
	passed := time.Since(at)
	c := crowd{FPS: 1e9, CPU: time.Duration(float64(usedCPU()-cpu) / passed.Seconds())}
	frames := 0
	for _, m := range all {
		waits := m.seen()
		frames += len(waits)
		c.FPS = min(c.FPS, float64(len(waits))/passed.Seconds())
		c.P95 = max(c.P95, quantile(waits, 0.95))
		c.Dropped += m.dropped()
	}
	if counting {
		c.Allocated = readAllocations().since(before, frames)
	}
	var err error
	c.Memory, err = resident()
	return c, err
}

// resident is the memory of this process that is in use, in bytes.
func resident() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %q", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// member is one session with its pipeline; its one stage notes what frames
// waited.
type member struct {
	pixels  pixels
	session *session.Session
	graph   *graph.Graph

	mu    sync.Mutex // guards what follows
	waits []time.Duration
}

// join begins a session. Who runs it ends it.
func join(ctx context.Context, url, codec string, p pixels) (*member, error) {
	m := &member{pixels: p}
	codecs := []string{codec}
	m.session = session.New(session.Config{
		Spec:   config.Session{Name: "main", Model: "bench", APIKey: "bench", URL: url, Wait: patience, OnExit: "end"},
		Codecs: codecs, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{},
	})
	if err := m.session.Open(ctx); err != nil {
		return nil, err
	}
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{Name: "look", New: func(pipeline.Env, struct{}) (pipeline.Stage, error) {
		return m, nil
	}})
	spec := lookSpec(reg, codecs)
	if p == asDecoded {
		spec.Stages[0].Pixels = pipeline.Pixels{}
	}
	var err error
	m.graph, err = graph.Build(graph.Config{Spec: spec, Session: func(string) pipeline.Session { return m.session }})
	if err != nil {
		return nil, errors.Join(err, m.session.Close(ctx))
	}
	return m, nil
}

func (m *member) run(ctx context.Context) error {
	err := m.graph.Run(ctx)
	return errors.Join(err, m.session.Close(context.WithoutCancel(ctx)))
}

// Process implements pipeline.Stage.
func (m *member) Process(_ context.Context, f *pipeline.Frame) error {
	wait := time.Since(f.Arrival)
	if m.pixels == asBGR {
		if _, err := mat.View(f); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waits) < cap(m.waits) {
		m.waits = append(m.waits, wait)
	}
	return nil
}

// begin forgets what was seen.
func (m *member) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits = make([]time.Duration, 0, 100*receiveSeconds)
}

func (m *member) seen() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waits
}

func (m *member) dropped() uint64 {
	var n uint64
	for _, s := range m.graph.Stats().Sources {
		for _, d := range s.Dropped {
			n += d
		}
	}
	return n
}
