package app

import (
	"context"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// smearing is a stage that draws on what it was only to look at.
func smearing(pipeline.Env, struct{}) (pipeline.Stage, error) {
	return pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error {
		m, err := mat.View(f)
		if err != nil {
			return err
		}
		m.SetUCharAt(0, 0, m.GetUCharAt(0, 0)+1)
		return nil
	}), nil
}

// forgetting is a stage that makes a picture and never closes it.
func forgetting(pipeline.Env, struct{}) (pipeline.Stage, error) {
	return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error {
		img, err := mat.New(16, 16)
		forgotten = append(forgotten, img)
		return err
	}), nil
}

var forgotten []*mat.Image

func TestCheckFramesNamesTheStage(t *testing.T) {
	tests := []struct {
		name string
		new  func(pipeline.Env, struct{}) (pipeline.Stage, error)
		want string
	}{
		{"smear", smearing, `stage "soft" wrote to a shared frame; call mat.Edit`},
		{"forget", forgetting, "pictures not closed, made by github.com/reactorpipe/reactorpipe/pipeline/app.forgetting.func1 (check_test.go:27): 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := invocation{registry: registry()}
			pipeline.RegisterStage(v.registry, pipeline.StageKind[struct{}]{Name: tt.name, New: tt.new, Pixels: pipeline.Pixels{Read: pipeline.BGR}})
			path := write(t, "p.yaml", "sources: {cam: {file: \""+clip(t)+"\"}}\nstages: [{name: soft, type: "+tt.name+"}]\nsinks: [{name: out, type: discard}]\n")
			if code := v.main(t, "run", path, "--frames", "3", "--check-frames"); code != exitFailed {
				t.Errorf("exit %d", code)
			}
			if !strings.Contains(v.err.String(), tt.want) {
				t.Errorf("no %s in\n%s", tt.want, v.err.String())
			}
			for _, img := range forgotten {
				img.Close()
			}
			forgotten = nil
		})
	}
}
