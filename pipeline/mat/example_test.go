package mat_test

import (
	"context"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// A stage that blurs is two calls.
func ExampleEdit() {
	blur := pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error {
		m, err := mat.Edit(f)
		if err != nil {
			return err
		}
		return gocv.GaussianBlur(*m, m, image.Pt(5, 5), 0, 0, gocv.BorderDefault)
	})
	f := pipeline.NewFrame(pipeline.Meta{}, newPicture(64, 48, 235))
	defer f.Release()
	fmt.Println(blur.Process(context.Background(), f), f.Image().Format())
	// Output: <nil> bgr24 64x48
}

// A picture of another size is made, filled, and given to the frame together
// with where positions move.
func ExampleNew() {
	turn := pipeline.StageFunc(func(_ context.Context, f *pipeline.Frame) error {
		m, err := mat.View(f)
		if err != nil {
			return err
		}
		turned, err := mat.New(m.Rows(), m.Cols())
		if err != nil {
			return err
		}
		if err := gocv.Rotate(*m, turned.Mat(), gocv.Rotate90Clockwise); err != nil {
			turned.Close()
			return err
		}
		f.Replace(turned, pipeline.Affine{0, -1, float64(m.Rows()), 1, 0, 0})
		return nil
	})
	f := pipeline.NewFrame(pipeline.Meta{}, newPicture(64, 48, 235))
	defer f.Release()
	fmt.Println(turn.Process(context.Background(), f), f.Image().Format())
	fmt.Println(f.Geometry().Point(pipeline.Point{X: 0, Y: 48}))
	// Output:
	// <nil> bgr24 48x64
	// {0 0}
}
