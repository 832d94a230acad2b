package pipeline_test

import (
	"math"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestAffine(t *testing.T) {
	rotate := pipeline.Affine{0, -1, 100, 1, 0, 0} // a quarter turn in a picture 100 high
	tests := []struct {
		name string
		a    pipeline.Affine
		p    pipeline.Point
		want pipeline.Point
	}{
		{"identity", pipeline.Identity(), pipeline.Point{X: 3, Y: 4}, pipeline.Point{X: 3, Y: 4}},
		{"scale", pipeline.Scale(2, 0.5), pipeline.Point{X: 3, Y: 4}, pipeline.Point{X: 6, Y: 2}},
		{"translate", pipeline.Translate(1, -1), pipeline.Point{X: 3, Y: 4}, pipeline.Point{X: 4, Y: 3}},
		{"scale, then translate", pipeline.Scale(2, 2).Then(pipeline.Translate(1, 0)), pipeline.Point{X: 3, Y: 4}, pipeline.Point{X: 7, Y: 8}},
		{"translate, then scale", pipeline.Translate(1, 0).Then(pipeline.Scale(2, 2)), pipeline.Point{X: 3, Y: 4}, pipeline.Point{X: 8, Y: 8}},
		{"turn", rotate, pipeline.Point{X: 10, Y: 0}, pipeline.Point{X: 100, Y: 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Point(tt.p); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			back := tt.a.Inverse().Point(tt.want)
			if math.Hypot(back.X-tt.p.X, back.Y-tt.p.Y) > 1e-9 {
				t.Errorf("and back: %v, want %v", back, tt.p)
			}
		})
	}
}

func TestABoxStaysUprightAroundItsCorners(t *testing.T) {
	flip := pipeline.Scale(-1, 1).Then(pipeline.Translate(100, 0))
	box := pipeline.Box{X: 10, Y: 20, Width: 30, Height: 40}
	if got, want := flip.Box(box), (pipeline.Box{X: 60, Y: 20, Width: 30, Height: 40}); got != want {
		t.Errorf("flipped: %v, want %v", got, want)
	}
	turn := pipeline.Affine{0, -1, 100, 1, 0, 0}
	if got, want := turn.Box(box), (pipeline.Box{X: 40, Y: 10, Width: 40, Height: 30}); got != want {
		t.Errorf("turned: %v, want %v", got, want)
	}
}

func TestWhatCannotBeUndoneIsLeftAlone(t *testing.T) {
	for _, a := range []pipeline.Affine{{}, pipeline.Scale(0, 1), {math.NaN(), 0, 0, 0, 1, 0}} {
		if got := a.Inverse(); got != pipeline.Identity() {
			t.Errorf("inverse of %v: %v", a, got)
		}
	}
}
