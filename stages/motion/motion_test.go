package motion_test

import (
	"image"
	"image/color"
	"math"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/motion"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: motion.Register, Kind: "motion", Config: config, Live: mat.Live}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("")) }

// A square of 80×80 appears in a picture of 640×480: 1/48 of it, and a little
// more where its edges are smoothed.
func TestMotion(t *testing.T) {
	stage := pipetest.NewStage(t, kind(""))
	defer stage.(*motion.Motion).Close()

	if _, set := process(t, stage, image.Rectangle{}); set {
		t.Error("the first picture moves")
	}
	if m, _ := process(t, stage, image.Rectangle{}); m.share != 0 || len(m.boxes) != 0 {
		t.Errorf("the same picture moves: %v", m)
	}
	square := image.Rect(200, 100, 280, 180)
	m, _ := process(t, stage, square)
	if math.Abs(m.share-1.0/48) > 0.005 {
		t.Errorf("share is %.4f, want %.4f", m.share, 1.0/48)
	}
	if len(m.boxes) != 1 || !near(m.boxes[0].Box, square, 8) {
		t.Errorf("moving areas are %v, want one at %v", m.boxes, square)
	}
	if m, _ := process(t, stage, square); m.share != 0 {
		t.Errorf("what stays moves: %v", m)
	}
}

func TestSmallAreasMakeNoDetection(t *testing.T) {
	stage := pipetest.NewStage(t, kind("min_area: 0.1"))
	defer stage.(*motion.Motion).Close()
	process(t, stage, image.Rectangle{})
	if m, _ := process(t, stage, image.Rect(200, 100, 280, 180)); m.share == 0 || len(m.boxes) != 0 {
		t.Errorf("got %v, want a share and no areas", m)
	}
}

func TestReset(t *testing.T) {
	stage := pipetest.NewStage(t, kind(""))
	defer stage.(*motion.Motion).Close()
	process(t, stage, image.Rectangle{})
	stage.(pipeline.Resetter).Reset(pipeline.Renewal)
	if _, set := process(t, stage, image.Rect(0, 0, 300, 300)); set {
		t.Error("the first picture after a break moves")
	}
}

func TestAnotherSize(t *testing.T) {
	stage := pipetest.NewStage(t, kind(""))
	defer stage.(*motion.Motion).Close()
	process(t, stage, image.Rectangle{})
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 640, Height: 360})
	defer f.Release()
	if err := stage.Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if _, set := pipeline.Get(f, pipeline.Measurements); set {
		t.Error("pictures of two sizes were compared")
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*motion.Config)
		want   string
	}{
		{"default", func(*motion.Config) {}, ""},
		{"narrow", func(c *motion.Config) { c.Width = 8 }, "width: must be from 16 to 4096, got 8"},
		{"all changes", func(c *motion.Config) { c.Threshold = 0 }, "threshold: must be from 1 to 254, got 0"},
		{"percent", func(c *motion.Config) { c.MinArea = 5 }, "min_area: must be from 0 to 1, got 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := motion.Default()
			tt.change(&cfg)
			if got := message(cfg.Validate()); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

type moving struct {
	share float64
	boxes []pipeline.Detection
}

// process shows the stage a gray picture with a white square in it.
func process(t *testing.T, stage pipeline.Stage, square image.Rectangle) (m moving, set bool) {
	t.Helper()
	f := picture(t, square)
	defer f.Release()
	if err := stage.Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	values, set := pipeline.Get(f, pipeline.Measurements)
	boxes, _ := pipeline.Get(f, pipeline.Detections)
	return moving{values["motion"], boxes}, set
}

func picture(t *testing.T, square image.Rectangle) *pipeline.Frame {
	t.Helper()
	img, err := mat.New(640, 480)
	if err != nil {
		t.Fatal(err)
	}
	m := img.Mat()
	m.SetTo(gocv.NewScalar(60, 60, 60, 0))
	if !square.Empty() {
		if err := gocv.Rectangle(m, square, color.RGBA{255, 255, 255, 0}, -1); err != nil {
			t.Fatal(err)
		}
	}
	return pipeline.NewFrame(pipeline.Meta{}, img)
}

// near says that no edge of b is further than limit from r's.
func near(b pipeline.Box, r image.Rectangle, limit float64) bool {
	far := func(got float64, want int) bool { return math.Abs(got-float64(want)) > limit }
	return !far(b.X, r.Min.X) && !far(b.Y, r.Min.Y) && !far(b.X+b.Width, r.Max.X) && !far(b.Y+b.Height, r.Max.Y)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
