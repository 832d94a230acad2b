package pipeline_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

type levelConfig struct {
	Levels map[string]int
}

func level(r *pipeline.Registry, built *levelConfig) {
	pipeline.RegisterStage(r, pipeline.StageKind[levelConfig]{
		Name: "level", Default: func() levelConfig { return levelConfig{Levels: map[string]int{"a": 1}} },
		Pixels: pipeline.Pixels{Read: pipeline.Gray}, Sets: []pipeline.AnyKind{pipeline.Measurements}, Stateless: true,
		New: func(_ pipeline.Env, cfg levelConfig) (pipeline.Stage, error) {
			*built = cfg
			return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error { return nil }), nil
		},
	})
}

func TestAStageIsBuiltFromItsConfig(t *testing.T) {
	r := pipeline.NewRegistry()
	var built levelConfig
	level(r, &built)
	kind, ok := r.Stage("level")
	if !ok || !kind.Stateless || kind.Pixels.Read != pipeline.Gray || kind.Sets[0].Name() != "measurements" {
		t.Fatalf("%+v %v", kind, ok)
	}
	cfg := kind.NewConfig().(*levelConfig)
	cfg.Levels["b"] = 2
	if _, err := kind.Build(pipeline.Env{}, cfg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(levelConfig{Levels: map[string]int{"a": 1, "b": 2}}, built); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if fresh := kind.NewConfig().(*levelConfig); len(fresh.Levels) != 1 {
		t.Errorf("a default was changed for everybody: %v", fresh)
	}
}

func TestKindsAreListedByName(t *testing.T) {
	r := pipeline.NewRegistry()
	level(r, new(levelConfig))
	for _, name := range []string{"zip", "all"} {
		pipeline.RegisterSink(r, pipeline.SinkKind[struct{}]{Name: name})
		pipeline.RegisterSource(r, pipeline.SourceKind[struct{}]{Name: name, Messages: true})
	}
	got := [][]string{r.Stages(), r.Sinks(), r.Sources()}
	if diff := cmp.Diff([][]string{{"level"}, {"all", "zip"}, {"all", "zip"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := r.Stage("zip"); ok {
		t.Error("a sink is no stage")
	}
	if s, ok := r.Source("all"); !ok || !s.Messages {
		t.Errorf("%+v", s)
	}
}

func TestSinksHaveAQueueAndAnEdge(t *testing.T) {
	r := pipeline.NewRegistry()
	pipeline.RegisterSink(r, pipeline.SinkKind[struct{}]{Name: "plain"})
	queue := pipeline.Queue{Depth: 1024, OnFull: pipeline.Block}
	pipeline.RegisterSink(r, pipeline.SinkKind[struct{}]{Name: "own", Queue: queue, Edge: pipeline.Rise})
	if s, _ := r.Sink("plain"); s.Queue != (pipeline.Queue{Depth: 30, OnFull: pipeline.DropOldest}) || s.Edge != pipeline.While {
		t.Errorf("default: %+v %s", s.Queue, s.Edge)
	}
	if s, _ := r.Sink("own"); s.Queue != queue || s.Edge != pipeline.Rise {
		t.Errorf("own: %+v %s", s.Queue, s.Edge)
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	r := pipeline.NewRegistry()
	level(r, new(levelConfig))
	defer func() {
		if got := recover(); got != `pipeline: kind "level" registered twice` {
			t.Errorf("got %v", got)
		}
	}()
	level(r, new(levelConfig))
}
