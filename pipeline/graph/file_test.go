package graph_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

const file = `
name: test
max_in_flight: 3
sources:
  cam: {numbers: 12}
stages:
  - {name: mark, type: mark, config: {by: 100}}
  - {name: few,  type: mark, from: cam, rate: 5fps}
  - {name: both, type: pass, from: mark, with: [few]}
sinks:
  - {name: each, type: list, from: both}
  - {name: some, type: list, from: both, when: mark.measurements.n >= 105 && few.origin.fresh}
`

type numbersConfig struct {
	Numbers int `yaml:"numbers"`
}

type markConfig struct {
	By int `yaml:"by"`
}

// kinds are what the file needs.
func (r *rig) kinds(lists map[string]*seen[uint64]) *pipeline.Registry {
	reg := pipeline.NewRegistry()
	pipeline.RegisterSource(reg, pipeline.SourceKind[numbersConfig]{
		Name: "numbers",
		New: func(_ pipeline.Env, cfg numbersConfig) (pipeline.Source, error) {
			return &feed{rig: r, frames: cfg.Numbers}, nil
		},
	})
	pipeline.RegisterStage(reg, pipeline.StageKind[markConfig]{
		Name: "mark", Sets: []pipeline.AnyKind{pipeline.Measurements},
		New: func(_ pipeline.Env, cfg markConfig) (pipeline.Stage, error) {
			return pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error {
				pipeline.Set(f, pipeline.Measurements, map[string]float64{"n": float64(int(f.Seq) + cfg.By)})
				return nil
			}), nil
		},
	})
	pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{
		Name: "pass", New: func(pipeline.Env, struct{}) (pipeline.Stage, error) { return pipeline.StageFunc(through), nil },
	})
	pipeline.RegisterSink(reg, pipeline.SinkKind[struct{}]{
		Name: "list",
		New: func(env pipeline.Env, _ struct{}) (pipeline.Sink, error) {
			list := new(seen[uint64])
			lists[env.Name] = list
			return &sinkFunc{write: func(_ context.Context, f *pipeline.Frame) error {
				list.add(f.Seq)
				return nil
			}}, nil
		},
	})
	return reg
}

func TestAFileRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 0)
	lists := make(map[string]*seen[uint64])
	spec, err := config.Load(path, r.kinds(lists), config.Options{Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(graph.Config{Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(count(0, 12), lists["each"].all()); diff != "" {
		t.Errorf("each (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{5, 10}, lists["some"].all()); diff != "" {
		t.Errorf("some (-want +got):\n%s", diff)
	}
}
