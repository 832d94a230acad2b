package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
)

// received is what the receive child prints.
type received struct {
	Frames   int
	CPU      time.Duration
	P50, P95 time.Duration // last packet of a frame → the frame in the first stage
	Dropped  uint64
}

// receiveChild runs a pipeline against a server: one track, one stage that
// looks at every frame as BGR. Its arguments are the server's URL, the codec and
// the number of frames.
func receiveChild(ctx context.Context, args []string) error {
	frames, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	look := &looker{}
	pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{Name: "look", New: func(pipeline.Env, struct{}) (pipeline.Stage, error) {
		return look, nil
	}})
	s := session.New(session.Config{
		Spec:   config.Session{Name: "main", URL: args[0], Local: true, Wait: 10 * time.Second, OnExit: "end"},
		Codecs: []string{args[1]}, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{},
	})
	if err := s.Open(ctx); err != nil {
		return err
	}
	g, err := graph.Build(graph.Config{
		Spec: lookSpec(reg, args[1]), MaxFrames: uint64(frames + startFrames),
		Session: func(string) pipeline.Session { return s },
	})
	if err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	err = g.Run(ctx)
	got := look.result()
	for _, n := range g.Stats().Sources {
		for _, d := range n.Dropped {
			got.Dropped += d
		}
	}
	return errors.Join(err, s.Close(ctx), tell(got))
}

func lookSpec(reg *pipeline.Registry, codec string) *config.Spec {
	source, _ := reg.Source("track")
	stage, _ := reg.Stage("look")
	cfg := source.NewConfig().(*ingest.TrackConfig) //nolint:errcheck // the registry makes nothing else
	cfg.Track, cfg.Codecs = "main_video", []string{codec}
	return &config.Spec{
		Name: "look", MaxInFlight: 2,
		Sources: []config.Source{{Name: "cam", Type: source, Config: cfg, Session: "main"}},
		Stages: []config.Stage{{
			Node: config.Node{Name: "look", From: "cam", OnError: "stop", Pixels: pipeline.Pixels{Read: pipeline.BGR}},
			Type: stage, Config: stage.NewConfig(), Workers: 1, Deadline: time.Second,
		}},
	}
}

// looker looks at frames, and at the clock.
type looker struct {
	frames int
	begun  time.Duration // CPU time when start-up was over
	cpu    time.Duration
	waits  []time.Duration
}

func (l *looker) Process(_ context.Context, f *pipeline.Frame) error {
	wait := time.Since(f.Arrival)
	m, err := mat.View(f)
	if err != nil {
		return err
	}
	if m.Empty() {
		return io.ErrUnexpectedEOF
	}
	if l.frames++; l.frames <= startFrames {
		l.begun = usedCPU()
		return nil
	}
	l.waits = append(l.waits, wait)
	l.cpu = usedCPU() - l.begun
	return nil
}

func (l *looker) result() received {
	return received{Frames: len(l.waits), CPU: l.cpu, P50: quantile(l.waits, 0.5), P95: quantile(l.waits, 0.95)}
}
