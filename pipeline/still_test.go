package pipeline_test

import (
	"errors"
	"math"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestStillArea(t *testing.T) {
	box := func(x, y, w, h float64) pipeline.Still {
		return pipeline.Still{Crop: pipeline.Box{X: x, Y: y, Width: w, Height: h}}
	}
	tests := []struct {
		name  string
		still pipeline.Still
		want  [4]int
		err   error
	}{
		{"whole", pipeline.Still{Whole: true}, [4]int{0, 0, 64, 48}, nil},
		{"inside", box(10, 12, 20, 16), [4]int{10, 12, 20, 16}, nil},
		{"the pixels it touches", box(10.5, 12.5, 1, 0.25), [4]int{10, 12, 2, 1}, nil},
		{"over the left top", box(-10, -10, 20, 20), [4]int{0, 0, 10, 10}, nil},
		{"over the right bottom", box(60, 40, 20, 20), [4]int{60, 40, 4, 8}, nil},
		{"far over all sides", box(-1e300, -1e300, 3e300, 3e300), [4]int{0, 0, 64, 48}, nil},
		{"beside", box(64, 0, 10, 10), [4]int{}, pipeline.ErrEmptyCrop},
		{"above", box(0, -20, 10, 10), [4]int{}, pipeline.ErrEmptyCrop},
		{"of no width", box(10, 10, 0, 10), [4]int{}, pipeline.ErrEmptyCrop},
		{"of a negative height", box(10, 10, 10, -1), [4]int{}, pipeline.ErrEmptyCrop},
		{"nowhere", box(math.NaN(), 0, 10, 10), [4]int{}, pipeline.ErrEmptyCrop},
		{"of no size", box(0, 0, math.NaN(), 10), [4]int{}, pipeline.ErrEmptyCrop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, y, w, h, err := tt.still.Area(64, 48)
			if got := [4]int{x, y, w, h}; got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
	t.Run("of a picture of one pixel", func(t *testing.T) {
		if x, y, w, h, err := box(0.2, 0.2, 0.5, 0.5).Area(1, 1); x != 0 || y != 0 || w != 1 || h != 1 || err != nil {
			t.Errorf("got %d,%d %d×%d, %v; want the pixel", x, y, w, h, err)
		}
	})
}
