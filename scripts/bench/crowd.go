package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// crowd is what a process saw of several sessions at once when they had settled.
type crowd struct {
	FPS     float64       // of the slowest
	P95     time.Duration // last packet of a frame → the frame in the first stage, of the worst session
	CPU     time.Duration // of the process in a second
	Frames  int           // of all
	Dropped uint64
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

// crowdChild runs as many pipelines of one track and one stage. Its arguments are
// the server's URL, the codec, how many, and their pixels.
func crowdChild(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	all := newCompany(ctx, args[0], args[1], pixels(args[3]))
	if err := all.join(ctx, count); err != nil {
		return errors.Join(err, all.end())
	}
	c, err := all.observe(ctx, receiveSeconds*time.Second)
	return errors.Join(err, all.end(), tell(c))
}

// grown is the memory of a process, resident, in bytes.
type grown struct{ Before, After int64 }

// growChild runs one such pipeline and then more of them. Its arguments are the
// server's URL, the codec, how many more, and their pixels.
func growChild(ctx context.Context, args []string) error {
	more, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	all := newCompany(ctx, args[0], args[1], pixels(args[3]))
	var got grown
	for _, step := range []struct {
		sessions int
		memory   *int64
	}{{1, &got.Before}, {more, &got.After}} {
		err := all.join(ctx, step.sessions)
		if err == nil {
			*step.memory, err = resident()
		}
		if err != nil {
			return errors.Join(err, all.end())
		}
	}
	return errors.Join(all.end(), tell(got))
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

// company is sessions of one server, each with its pipeline.
type company struct {
	url, codec string
	pixels     pixels
	members    []*member
	running    context.Context //nolint:containedctx // that of all members, ended by end
	stop       context.CancelFunc
	wg         sync.WaitGroup
	mu         sync.Mutex // guards what follows
	failed     []error
}

// newCompany has no members yet. Its end has to be called.
func newCompany(ctx context.Context, url, codec string, p pixels) *company {
	c := &company{url: url, codec: codec, pixels: p}
	c.running, c.stop = context.WithCancel(ctx)
	return c
}

// join begins more sessions, one after the other, and waits until they have
// settled.
func (c *company) join(ctx context.Context, more int) error {
	for range more {
		m := &member{pixels: c.pixels}
		at, codecs := config.Session{URL: c.url, Model: "bench", APIKey: "bench"}, []string{c.codec}
		a, err := attach(ctx, at, codecs, graph.Config{Spec: m.look(codecs)})
		if err != nil {
			return err
		}
		m.graph = a
		c.members = append(c.members, m)
		c.wg.Go(func() {
			if err := a.run(c.running); err != nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.failed = append(c.failed, err)
			}
		})
	}
	return pause(ctx, settleSeconds*time.Second)
}

// end ends all sessions and returns how they failed.
func (c *company) end() error {
	c.stop()
	c.wg.Wait()
	return errors.Join(c.failed...)
}

// observe looks at all members for some time.
func (c *company) observe(ctx context.Context, d time.Duration) (crowd, error) {
	for _, m := range c.members {
		m.begin()
	}
	at, cpu := time.Now(), usedCPU()
	if err := pause(ctx, d); err != nil {
		return crowd{}, err
	}
	passed := time.Since(at)
	out := crowd{FPS: 1e9, CPU: time.Duration(float64(usedCPU()-cpu) / passed.Seconds())}
	for _, m := range c.members {
		waits := m.seen()
		out.Frames += len(waits)
		out.FPS = min(out.FPS, float64(len(waits))/passed.Seconds())
		out.P95 = max(out.P95, quantile(waits, 0.95))
		out.Dropped += m.graph.dropped()
	}
	return out, nil
}

// member is one session with its pipeline; its one stage notes what frames
// waited.
type member struct {
	pixels pixels
	graph  *attached

	mu    sync.Mutex // guards what follows
	waits []time.Duration
}

// look is the pipeline, with the member as its stage.
func (m *member) look(codecs []string) *config.Spec {
	spec := lookSpec(m, codecs)
	if m.pixels == asDecoded {
		spec.Stages[0].Pixels = pipeline.Pixels{}
	}
	return spec
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

// mostSeen is of how many frames at most a member notes what they waited, so that
// it allocates nothing while it looks.
const mostSeen = 1000

// begin forgets what was seen.
func (m *member) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits = make([]time.Duration, 0, mostSeen)
}

func (m *member) seen() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waits
}
