package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// graphBench measures what the graph itself costs, on frames that are there
// already, metrics on.
func graphBench() bench {
	return bench{
		name: "graph", title: "the graph's own cost, metrics on",
		run: inTurn(hotLoop, tracedLoop, slowestStage, asyncStage, reloadedStage),
	}
}

// hotLoop is the cost of a frame and stage on a line, and that of a share. What
// source and sink cost is taken away: a line is compared with a shorter one, and
// two branches that are joined with the line without the second.
func hotLoop(ctx context.Context, h *harness) ([]row, error) {
	const few, many, frames = 1, 9, 100_000
	var times, allocations, shares []float64
	for range h.runs {
		short, err := run(ctx, line(few), frames)
		if err != nil {
			return nil, err
		}
		long, err := run(ctx, line(many), frames)
		if err != nil {
			return nil, err
		}
		joined := line(2)
		joined.stages = append(joined.stages, empty{name: "beside", from: "still"})
		joined.stages[1].with = []string{"beside"}
		branched, err := run(ctx, joined, frames)
		if err != nil {
			return nil, err
		}
		const visits = (many - few) * frames
		times = append(times, float64(long.cpu-short.cpu)/visits)
		allocations = append(allocations, float64(long.allocations-short.allocations)/visits)
		shares = append(shares, float64(branched.allocations-short.allocations)/frames)
	}
	t, a, s := median(times), median(allocations), median(shares)
	return []row{
		{
			what: "processor time of an empty stage, a frame", value: fmt.Sprintf("%.2f µs", t/1000),
			bar: "≤ 1 µs", ok: t <= 1000,
		},
		{what: "allocations of an empty stage, a frame", value: fmt.Sprintf("%.2f", a), bar: "0", ok: a < 0.01},
		{
			what: "allocations of a share, joined again, a frame", value: fmt.Sprintf("%.2f", s),
			bar: "≤ 1", ok: s < 1.01,
		},
	}, nil
}

// tracedLoop is the same cost while the way of every frame is recorded, and none
// is written.
func tracedLoop(ctx context.Context, h *harness) ([]row, error) {
	const few, many, frames = 1, 9, 100_000
	var times, allocations, whole []float64
	for range h.runs {
		short, long := line(few), line(many)
		short.traced, long.traced = true, true
		less, err := run(ctx, short, frames)
		if err != nil {
			return nil, err
		}
		more, err := run(ctx, long, frames)
		if err != nil {
			return nil, err
		}
		plain, err := run(ctx, line(few), frames)
		if err != nil {
			return nil, err
		}
		const visits = (many - few) * frames
		times = append(times, float64(more.cpu-less.cpu)/visits)
		allocations = append(allocations, float64(more.allocations-less.allocations)/visits)
		whole = append(whole, float64(less.allocations-plain.allocations)/frames)
	}
	t := median(times)
	return []row{
		{what: "processor time of an empty stage with traces on, a frame", value: fmt.Sprintf("%.2f µs", t/1000)},
		{what: "and its allocations", value: fmt.Sprintf("%.2f", median(allocations)), bar: "0", ok: median(allocations) < 0.01},
		{what: "allocations of a trace, a frame", value: fmt.Sprintf("%.2f", median(whole))},
	}, nil
}

// slowestStage compares the rate of nine empty stages and one that takes ten
// milliseconds, on two branches, with what that one could do by itself: as often
// as its calls, as long as they were, go into the time.
func slowestStage(ctx context.Context, h *harness) ([]row, error) {
	const frames = 300
	s := fan(5, 2)
	slow := &s.stages[2]
	slow.work = 10 * time.Millisecond
	var ratios []float64
	for range h.runs {
		got, err := run(ctx, s, frames)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, frames*got.process[slow.name].Seconds()/got.took.Seconds())
	}
	r := median(ratios)
	return []row{{
		what: "frame rate with nine empty stages and one of 10 ms on two branches, to that of the one", value: fmt.Sprintf("%.1f %%", 100*r),
		bar: "≥ 99 %", ok: r >= 0.99,
	}}, nil
}

// asyncStage compares a live line at thirty frames a second without and with a
// stage beside it that takes 150 ms.
func asyncStage(ctx context.Context, h *harness) ([]row, error) {
	const frames = 90
	plain, beside := line(2), line(3)
	plain.fps, beside.fps = 30, 30
	beside.stages[1].work, beside.stages[1].async = 150*time.Millisecond, true
	var rates []float64
	var more []time.Duration
	for range h.runs {
		without, err := run(ctx, plain, frames)
		if err != nil {
			return nil, err
		}
		with, err := run(ctx, beside, frames)
		if err != nil {
			return nil, err
		}
		rates = append(rates, float64(with.written)/float64(without.written))
		more = append(more, quantile(with.latencies, 0.95)-quantile(without.latencies, 0.95))
	}
	r, p95 := median(rates), median(more)
	return []row{
		{
			what: "frames written with an async stage that sleeps 150 ms, to those without", value: fmt.Sprintf("%.1f %%", 100*r),
			bar: "100 %", ok: r >= 0.999,
		},
		{what: "and p95 of the latency more", value: fmt.Sprintf("%.2f ms", milliseconds(p95)), bar: "≤ 1 ms", ok: p95 <= time.Millisecond},
	}, nil
}

// reloadedStage replaces one stage of a live line at thirty frames a second, and
// counts what that loses.
func reloadedStage(ctx context.Context, h *harness) ([]row, error) {
	const frames, fps = 60, 30
	var lost, held []float64
	for range h.runs {
		before := line(3)
		before.fps = fps
		before.stages[1].work = 10 * time.Millisecond
		before.reload = true
		got, err := run(ctx, before, frames)
		if err != nil {
			return nil, err
		}
		if got.lost != frames-got.written {
			return nil, fmt.Errorf("%d frames lost and %d written of %d", got.lost, got.written, frames)
		}
		lost, held = append(lost, float64(got.lost)), append(held, milliseconds(got.reload))
	}
	most := slices.Max(lost)
	return []row{
		{
			what: "frames lost to a reload of one stage, counted", value: fmt.Sprintf("%.0f, at most %.0f", median(lost), most),
			bar: "at most the second of the hold", ok: most <= fps,
		},
		{what: "and how long it took", value: fmt.Sprintf("%.1f ms", median(held)), bar: "≤ 1000 ms", ok: median(held) <= 1000},
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// shape is a graph to be measured: stages, and a sink at the end of each branch.
type shape struct {
	stages []empty
	sinks  []string // by the stage in front of them
	fps    int      // of a live source; 0: as fast as frames are taken
	reload bool     // the stages that work are replaced, half way
	traced bool     // the way of each frame is recorded
}

// empty is a stage that does nothing to a frame, for some time.
type empty struct {
	name, from string
	with       []string
	work       time.Duration
	async      bool
}

// line is a number of stages, one behind the other.
func line(stages int) shape { return fan(stages, 1) }

// fan is a number of such lines side by side.
func fan(stages, branches int) shape {
	var s shape
	for b := range branches {
		from := "still"
		for i := range stages {
			name := fmt.Sprintf("empty%d_%d", b, i)
			s.stages = append(s.stages, empty{name: name, from: from})
			from = name
		}
		s.sinks = append(s.sinks, from)
	}
	return s
}

// measured is what came of one run.
type measured struct {
	took, cpu     time.Duration
	allocations   uint64
	written, lost uint64 // by and before the first sink
	latencies     []time.Duration
	reload        time.Duration
	process       map[string]time.Duration // of a call, by stage
}

// run runs frames through a graph of that shape.
func run(ctx context.Context, s shape, frames int) (measured, error) {
	var m measured
	reached := make(chan struct{})
	cfg := graph.Config{Spec: s.spec(1), Metrics: prometheus.NewRegistry(), MaxFrames: uint64(frames)}
	if s.traced {
		cfg.OnTrace = func(*pipeline.Trace) {}
	}
	if s.fps > 0 {
		// Frames that are refused do not count there, but here they do.
		cfg.MaxFrames, cfg.Spec.Sources[0].Config = 0, &stillConfig{FPS: s.fps, Frames: frames}
		cfg.OnWrite = m.look(uint64(frames)/2, sync.OnceFunc(func() { close(reached) }))
	}
	g, err := graph.Build(cfg)
	if err != nil {
		return m, err
	}
	reloaded := make(chan error, 1)
	if s.reload {
		next := s.spec(2)
		next.Sources = cfg.Spec.Sources
		go func() { reloaded <- m.change(ctx, g, next, reached) }()
	}
	if err = m.time(ctx, g); s.reload && err == nil {
		err = <-reloaded
	}
	m.count(g.Stats())
	return m, errors.Join(err, ctx.Err())
}

// look notes the latencies of the first sink, and tells of a frame that is half
// the way.
func (m *measured) look(middle uint64, half func()) func(sink string, f *pipeline.Frame, at time.Time) {
	return func(sink string, f *pipeline.Frame, at time.Time) {
		if sink != "nowhere0" {
			return
		}
		m.latencies = append(m.latencies, at.Sub(f.Arrival))
		if f.Seq >= middle {
			half()
		}
	}
}

// change puts another version in the graph's place once that is wanted.
func (m *measured) change(ctx context.Context, g *graph.Graph, next *config.Spec, wanted <-chan struct{}) error {
	select {
	case <-wanted:
	case <-ctx.Done():
		return ctx.Err()
	}
	begun := time.Now()
	_, err := g.Reload(ctx, next)
	m.reload = time.Since(begun)
	return err
}

// time runs the graph to its end.
func (m *measured) time(ctx context.Context, g *graph.Graph) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, begun := usedCPU(), time.Now()
	err := g.Run(ctx)
	m.took, m.cpu = time.Since(begun), usedCPU()-cpu
	runtime.ReadMemStats(&after)
	m.allocations = after.Mallocs - before.Mallocs
	return err
}

// count takes from the graph's figures what belongs to the run.
func (m *measured) count(st graph.Stats) {
	m.written, m.process = st.Sinks[0].Out, make(map[string]time.Duration)
	for _, n := range st.Stages {
		m.process[n.Name] = n.Process.Mean
	}
	for _, n := range slices.Concat(st.Sources, st.Stages) {
		for _, dropped := range n.Dropped {
			m.lost += dropped
		}
	}
}

// work is the configuration of a stage; another version is another stage.
type work struct {
	Sleep   time.Duration
	Version int
}

// stillConfig is the configuration of a source; without FPS it is not live.
type stillConfig struct{ FPS, Frames int }

// spec returns the file of the shape.
func (s shape) spec(version int) *config.Spec {
	reg := pipeline.NewRegistry()
	pipeline.RegisterStage(reg, pipeline.StageKind[work]{Name: "empty", New: func(_ pipeline.Env, cfg work) (pipeline.Stage, error) {
		return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error {
			if cfg.Sleep > 0 {
				<-time.After(cfg.Sleep)
			}
			return nil
		}), nil
	}})
	pipeline.RegisterSink(reg, pipeline.SinkKind[struct{}]{Name: "nowhere", New: func(pipeline.Env, struct{}) (pipeline.Sink, error) {
		return nowhere{}, nil
	}})
	pipeline.RegisterSource(reg, pipeline.SourceKind[stillConfig]{Name: "still", New: func(_ pipeline.Env, cfg stillConfig) (pipeline.Source, error) {
		return &still{cfg: cfg}, nil
	}})
	source, _ := reg.Source("still")
	stage, _ := reg.Stage("empty")
	sink, _ := reg.Sink("nowhere")
	spec := &config.Spec{
		Name: "empty", MaxInFlight: 2,
		Sources: []config.Source{{Name: "still", Type: source, Config: source.NewConfig()}},
	}
	for _, e := range s.stages {
		cfg := work{Sleep: e.work}
		if e.work > 0 {
			cfg.Version = version
		}
		spec.Stages = append(spec.Stages, config.Stage{
			Node: config.Node{Name: e.name, From: e.from, With: e.with, OnError: "drop"}, Type: stage, Config: &cfg,
			Async: e.async, Workers: 1, Deadline: time.Second,
		})
	}
	for i, from := range s.sinks {
		spec.Sinks = append(spec.Sinks, config.Sink{
			Node: config.Node{Name: fmt.Sprintf("nowhere%d", i), From: from}, Type: sink, Config: sink.NewConfig(), Edge: sink.Edge,
		})
	}
	return spec
}

// still is a source of the same picture: as often as it is asked, or live.
type still struct {
	cfg   stillConfig
	seq   uint64
	began time.Time
}

func (s *still) Read(ctx context.Context) (*pipeline.Frame, error) {
	if ctx.Err() != nil || s.cfg.Frames > 0 && s.seq == uint64(s.cfg.Frames) {
		return nil, io.EOF
	}
	meta := pipeline.Meta{Seq: s.seq, PTS: time.Duration(s.seq) * time.Millisecond, Width: 1920, Height: 1080}
	if s.Live() {
		meta.Arrival, meta.PTS = s.wait(), time.Duration(s.seq)*time.Second/time.Duration(s.cfg.FPS)
	}
	s.seq++
	return pipeline.NewFrame(meta, picture{}), nil
}

// wait returns once the next frame is due.
func (s *still) wait() time.Time {
	if s.seq == 0 {
		s.began = time.Now()
	}
	<-time.After(time.Until(s.began.Add(time.Duration(s.seq) * time.Second / time.Duration(s.cfg.FPS))))
	return time.Now()
}

func (s *still) Live() bool   { return s.cfg.FPS > 0 }
func (s *still) Close() error { return nil }

// picture has a size and no pixels.
type picture struct{}

func (p picture) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.BGR24, Width: 1920, Height: 1080}
}
func (p picture) Clone() (pipeline.Image, error) { return p, nil }
func (p picture) Close() error                   { return nil }

// nowhere is a sink that takes everything.
type nowhere struct{}

func (nowhere) Write(context.Context, *pipeline.Frame) error { return nil }
func (nowhere) Close() error                                 { return nil }
