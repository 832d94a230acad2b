package graph_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a pipeline made by hand.
type rig struct {
	t     testing.TB
	spec  config.Spec
	cfg   graph.Config
	log   logBuffer
	alive atomic.Int64 // images
}

func newRig(t testing.TB, maxInFlight int) *rig {
	r := &rig{t: t, spec: config.Spec{Path: "p.yaml", Name: "test", MaxInFlight: maxInFlight}}
	r.cfg = graph.Config{Spec: &r.spec, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
	t.Cleanup(func() {
		if n := r.alive.Load(); n != 0 {
			t.Errorf("%d images were not closed", n)
		}
	})
	return r
}

func (r *rig) build() *graph.Graph {
	r.t.Helper()
	g, err := graph.Build(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

// run builds and runs, and wants an orderly end.
func (r *rig) run(ctx context.Context) graph.Stats {
	r.t.Helper()
	g := r.build()
	if err := g.Run(ctx); err != nil {
		r.t.Errorf("Run: %v", err)
	}
	return g.Stats()
}

// image is a picture of one byte.
type image struct {
	value  byte
	format pipeline.Format
	alive  *atomic.Int64
	closed bool
}

func (r *rig) image(value byte) *image {
	r.alive.Add(1)
	return &image{value: value, format: pipeline.Format{Layout: pipeline.Gray8, Width: 1, Height: 1}, alive: &r.alive}
}

func (m *image) Format() pipeline.Format { return m.format }

func (m *image) Clone() (pipeline.Image, error) {
	m.alive.Add(1)
	return &image{value: m.value, format: m.format, alive: m.alive}, nil
}

func (m *image) Close() error {
	if m.closed {
		panic("image closed twice")
	}
	m.closed = true
	m.alive.Add(-1)
	return nil
}

// Plane lets who checks frames look at the byte.
func (m *image) Plane(int) (unsafe.Pointer, int) { return unsafe.Pointer(&m.value), 1 }

func valueOf(f *pipeline.Frame) byte { return f.Image().(*image).value }

func edit(f *pipeline.Frame, value byte) error {
	clone := func(src pipeline.Image) (pipeline.Image, error) { return src.Clone() }
	img, err := f.Edit(func(pipeline.Image) bool { return true }, clone)
	if err != nil {
		return err
	}
	img.(*image).value = value
	return nil
}

// period is the time between two frames of a camera.
const period = 40 * time.Millisecond

// feed is a source that a test controls.
type feed struct {
	rig    *rig
	frames int // 0: without end
	every  time.Duration
	isLive bool
	adapt  func(f *pipeline.Frame)
	fail   error // instead of io.EOF

	n      int
	closed atomic.Int32
}

func (s *feed) Read(ctx context.Context) (*pipeline.Frame, error) {
	if s.every > 0 && s.n > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(s.every):
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if s.frames > 0 && s.n == s.frames {
		if s.fail != nil {
			return nil, s.fail
		}
		return nil, io.EOF
	}
	f := pipeline.NewFrame(pipeline.Meta{
		Seq: uint64(s.n), PTS: time.Duration(s.n) * period, Arrival: time.Now(), Width: 1, Height: 1,
	}, s.rig.image(byte(s.n)))
	s.n++
	if s.adapt != nil {
		s.adapt(f)
	}
	return f, nil
}

func (s *feed) Live() bool { return s.isLive }

func (s *feed) Close() error {
	s.closed.Add(1)
	return nil
}

// source adds a source of pictures: n of them as fast as they are taken.
func (r *rig) source(name string, n int) *feed {
	s := &feed{rig: r, frames: n}
	r.addSource(name, false, s)
	return s
}

// camera adds a live source.
func (r *rig) camera(name string, n int) *feed {
	s := &feed{rig: r, frames: n, every: period, isLive: true}
	r.addSource(name, false, s)
	return s
}

func (r *rig) addSource(name string, messages bool, s pipeline.Source) {
	r.spec.Sources = append(r.spec.Sources, config.Source{
		Name: name, Type: pipeline.SourceType{
			Type: pipeline.Type{Name: "test"}, Messages: messages,
			Build: func(pipeline.Env, any) (pipeline.Source, error) { return s, nil },
		},
	})
}

// stage adds a stage behind the node from; adapt may change its spec.
func (r *rig) stage(name, from string, process pipeline.StageFunc, adapt ...func(*config.Stage)) {
	r.stageOf(name, from, func(pipeline.Env) pipeline.Stage { return process }, adapt...)
}

func (r *rig) stageOf(name, from string, build func(pipeline.Env) pipeline.Stage, adapt ...func(*config.Stage)) {
	s := config.Stage{
		Node: config.Node{Name: name, From: from, OnError: "drop", Line: 7, Pixels: pipeline.Pixels{Read: pipeline.Native}},
		Type: pipeline.StageType{
			Type:  pipeline.Type{Name: "test"},
			Build: func(env pipeline.Env, _ any) (pipeline.Stage, error) { return build(env), nil },
		},
		Workers: 1, Deadline: 5 * time.Second,
	}
	for _, a := range adapt {
		a(&s)
	}
	r.spec.Stages = append(r.spec.Stages, s)
}

// sinkFunc is a sink that remembers whether it was closed.
type sinkFunc struct {
	write  func(ctx context.Context, f *pipeline.Frame) error
	closed atomic.Int32
}

func (s *sinkFunc) Write(ctx context.Context, f *pipeline.Frame) error { return s.write(ctx, f) }

func (s *sinkFunc) Close() error {
	s.closed.Add(1)
	return nil
}

func (r *rig) sink(name, from string, write func(context.Context, *pipeline.Frame) error, adapt ...func(*config.Sink)) *sinkFunc {
	s := &sinkFunc{write: write}
	r.addSink(name, from, s, adapt...)
	return s
}

func (r *rig) addSink(name, from string, part pipeline.Sink, adapt ...func(*config.Sink)) {
	s := config.Sink{
		Node: config.Node{Name: name, From: from, OnError: "drop", Line: 9, Pixels: pipeline.Pixels{Read: pipeline.Native}},
		Type: pipeline.SinkType{
			Type:  pipeline.Type{Name: "test"},
			Build: func(pipeline.Env, any) (pipeline.Sink, error) { return part, nil },
			Queue: pipeline.Queue{Depth: 30, OnFull: pipeline.DropOldest},
		},
		Edge: pipeline.While,
	}
	for _, a := range adapt {
		a(&s)
	}
	r.spec.Sinks = append(r.spec.Sinks, s)
}

// seen is a list that several goroutines add to.
type seen[T any] struct {
	mu   sync.Mutex
	list []T
}

func (s *seen[T]) add(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, v)
}

func (s *seen[T]) all() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// collect adds a sink that remembers the sequence numbers of its frames.
func (r *rig) collect(name, from string, adapt ...func(*config.Sink)) *seen[uint64] {
	var got seen[uint64]
	r.sink(name, from, func(_ context.Context, f *pipeline.Frame) error {
		got.add(f.Seq)
		return nil
	}, adapt...)
	return &got
}

func count(from, to int) (list []uint64) {
	for i := from; i < to; i++ {
		list = append(list, uint64(i))
	}
	return list
}

func through(context.Context, *pipeline.Frame) error { return nil }

// logBuffer keeps what nodes log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(strings.Lines(l.b.String()))
}

func (r *rig) tryBuild() (*graph.Graph, error) { return graph.Build(r.cfg) }
