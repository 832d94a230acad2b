package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
)

// attached is a pipeline on a session of its own.
type attached struct {
	session *session.Session
	graph   *graph.Graph
}

// attach begins a session, of which at names the server, and builds the graph
// on it. Who runs it ends both.
func attach(ctx context.Context, at config.Session, codecs []string, on graph.Config) (*attached, error) {
	at.Name, at.Wait, at.OnExit = "main", 2*patience, "end"
	a := &attached{session: session.New(session.Config{
		Spec: at, Codecs: codecs, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{},
	})}
	if err := a.session.Open(ctx); err != nil {
		return nil, err
	}
	on.Session = func(string) pipeline.Session { return a.session }
	var err error
	a.graph, err = graph.Build(on)
	if err != nil {
		return nil, errors.Join(err, a.session.Close(ctx))
	}
	return a, nil
}

// run lets frames through until ctx ends, and ends the session.
func (a *attached) run(ctx context.Context) error {
	err := a.graph.Run(ctx)
	return errors.Join(err, a.session.Close(context.WithoutCancel(ctx)))
}

// dropped is how many frames were, for whatever reason.
func (a *attached) dropped() (n uint64) {
	for _, s := range a.graph.Stats().Sources {
		for _, d := range s.Dropped {
			n += d
		}
	}
	return n
}

// lookSpec is a pipeline of one track and a stage that looks at its frames as BGR.
func lookSpec(look pipeline.Stage, codecs []string) *config.Spec {
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{Name: "look", New: func(pipeline.Env, struct{}) (pipeline.Stage, error) {
		return look, nil
	}})
	source, _ := reg.Source("track")
	stage, _ := reg.Stage("look")
	cfg := source.NewConfig().(*ingest.TrackConfig) //nolint:errcheck // the registry makes nothing else
	cfg.Track, cfg.Codecs = "main_video", codecs
	return &config.Spec{
		Name: "look", MaxInFlight: 2,
		Sources: []config.Source{{Name: "cam", Type: source, Config: cfg, Session: "main"}},
		Stages: []config.Stage{{
			Node: config.Node{Name: "look", From: "cam", OnError: "stop", Pixels: pipeline.Pixels{Read: pipeline.BGR}},
			Type: stage, Config: stage.NewConfig(), Workers: 1, Deadline: usualDeadline,
		}},
	}
}

// usualDeadline is that of a stage whose file says nothing of it.
const usualDeadline = 5 * time.Second
