package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// graphBench measures what the graph itself costs: stages that do nothing, on
// frames that are there already, metrics on.
func graphBench() bench {
	return bench{
		name: "graph", title: "an empty stage's own cost per frame, 8 in a line, metrics on",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			var rows []row
			for _, size := range [][2]int{{320, 180}, {1920, 1080}} {
				var times []time.Duration
				var bytes float64
				for range h.runs {
					t, b, err := emptyLine(ctx, size[0], size[1])
					if err != nil {
						return nil, err
					}
					times, bytes = append(times, t), b
				}
				t := median(times)
				rows = append(rows,
					row{
						what: fmt.Sprintf("time, %dx%d", size[0], size[1]), value: fmt.Sprintf("%.2f µs", float64(t.Nanoseconds())/1000),
						bar: "< 5 µs", ok: t < 5*time.Microsecond,
					},
					row{
						what: fmt.Sprintf("memory, %dx%d", size[0], size[1]), value: fmt.Sprintf("%.0f bytes", bytes),
						bar: "does not grow with the picture", ok: bytes < 1024,
					})
			}
			return rows, nil
		},
	}
}

const (
	emptyStages = 8
	emptyFrames = 100_000
)

// emptyLine returns the time and the memory that one empty stage costs for one
// frame.
func emptyLine(ctx context.Context, width, height int) (time.Duration, float64, error) {
	reg := pipeline.NewRegistry()
	pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{Name: "empty", New: func(pipeline.Env, struct{}) (pipeline.Stage, error) {
		return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error { return nil }), nil
	}})
	pipeline.RegisterSink(reg, pipeline.SinkKind[struct{}]{Name: "nowhere", New: func(pipeline.Env, struct{}) (pipeline.Sink, error) {
		return nowhere{}, nil
	}})
	pipeline.RegisterSource(reg, pipeline.SourceKind[struct{}]{Name: "still", New: func(pipeline.Env, struct{}) (pipeline.Source, error) {
		return &still{format: pipeline.Format{Layout: pipeline.BGR24, Width: width, Height: height}}, nil
	}})
	g, err := graph.Build(graph.Config{Spec: emptySpec(reg), Metrics: prometheus.NewRegistry(), MaxFrames: emptyFrames})
	if err != nil {
		return 0, 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	if err := g.Run(ctx); err != nil {
		return 0, 0, err
	}
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	const visits = emptyStages * emptyFrames
	return took / visits, float64(after.TotalAlloc-before.TotalAlloc) / visits, nil
}

func emptySpec(reg *pipeline.Registry) *config.Spec {
	source, _ := reg.Source("still")
	stage, _ := reg.Stage("empty")
	sink, _ := reg.Sink("nowhere")
	s := &config.Spec{
		Name: "empty", MaxInFlight: 2,
		Sources: []config.Source{{Name: "still", Type: source, Config: source.NewConfig()}},
	}
	from := "still"
	for i := range emptyStages {
		name := fmt.Sprintf("empty%d", i)
		s.Stages = append(s.Stages, config.Stage{
			Node: config.Node{Name: name, From: from, OnError: "drop"}, Type: stage, Config: stage.NewConfig(), Workers: 1, Deadline: time.Second,
		})
		from = name
	}
	s.Sinks = []config.Sink{{
		Node: config.Node{Name: "nowhere", From: from}, Type: sink, Config: sink.NewConfig(), Edge: sink.Edge,
	}}
	return s
}

// still is a source of the same picture, as often as it is asked.
type still struct {
	format pipeline.Format
	seq    uint64
}

func (s *still) Read(ctx context.Context) (*pipeline.Frame, error) {
	if ctx.Err() != nil {
		return nil, io.EOF
	}
	f := pipeline.NewFrame(pipeline.Meta{Seq: s.seq, PTS: time.Duration(s.seq) * time.Millisecond, Width: s.format.Width, Height: s.format.Height}, picture{s.format})
	s.seq++
	return f, nil
}

func (s *still) Live() bool   { return false }
func (s *still) Close() error { return nil }

// picture has a size and no pixels.
type picture struct{ format pipeline.Format }

func (p picture) Format() pipeline.Format        { return p.format }
func (p picture) Clone() (pipeline.Image, error) { return p, nil }
func (p picture) Close() error                   { return nil }

// nowhere is a sink that takes everything.
type nowhere struct{}

func (nowhere) Write(context.Context, *pipeline.Frame) error { return nil }
func (nowhere) Close() error                                 { return nil }
