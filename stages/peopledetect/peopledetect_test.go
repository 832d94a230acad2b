package peopledetect_test

import (
	"image"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/peopledetect"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{
		Register: peopledetect.Register, Kind: "people_detect", Config: config, Live: mat.Live, Width: 64, Height: 128,
	}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("width: 64")) }

// The people in testdata/street.jpg who can be seen as a whole, by eye: the
// positions of their middles.
func TestPeopleInAStreet(t *testing.T) {
	people := map[string]pipeline.Point{
		"in black, on the left": {X: 72, Y: 292},
		"in gray, in the group": {X: 275, Y: 224},
		"in dark blue":          {X: 318, Y: 198},
		"walking, in jeans":     {X: 475, Y: 245},
		"on the right":          {X: 572, Y: 242},
	}
	found := find(t, "")
	for who, at := range people {
		if !anyAt(found, at) {
			t.Errorf("the person %s was not found", who)
		}
	}
	if len(found) > len(people)+1 {
		t.Errorf("%d detections, want about %d", len(found), len(people))
	}
	for i, d := range found {
		if d.Label != "person" || d.Score < 0.4 || d.Score > 1 {
			t.Errorf("detection %d is %q with score %g", i, d.Label, d.Score)
		}
		if i > 0 && d.Score > found[i-1].Score {
			t.Errorf("detection %d has a higher score than the one before", i)
		}
	}
}

func TestMinScore(t *testing.T) {
	found := find(t, "min_score: 0.8")
	if len(found) == 0 {
		t.Fatal("nobody was found")
	}
	for _, d := range found {
		if d.Score < 0.8 {
			t.Errorf("a detection has score %g", d.Score)
		}
	}
}

// Nobody is an answer, too: an empty list, not none.
func TestNobody(t *testing.T) {
	for _, size := range []image.Point{{320, 240}, {320, 4}, {1, 1}} {
		t.Run(size.String(), func(t *testing.T) {
			f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: size.X, Height: size.Y})
			defer f.Release()
			stage := pipetest.NewStage(t, kind("width: 320"))
			defer stage.(*peopledetect.PeopleDetect).Close()
			if err := stage.Process(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			if ds, set := pipeline.Get(f, pipeline.Detections); !set || len(ds) != 0 {
				t.Errorf("detections %v (set: %t), want an empty list", ds, set)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*peopledetect.Config)
		want   string
	}{
		{"default", func(*peopledetect.Config) {}, ""},
		{"narrow", func(c *peopledetect.Config) { c.Width = 32 }, "width: must be from 64 to 4096, got 32"},
		{"certain", func(c *peopledetect.Config) { c.MinScore = 1 }, "min_score: must be from 0 to below 1, got 1"},
		{"odd", func(c *peopledetect.Config) { c.Stride = 7 }, "stride: must be 4, 8 or 16, got 7"},
		{"endless", func(c *peopledetect.Config) { c.Scale = 1 }, "scale: must be above 1 and at most 2, got 1"},
		{"percent", func(c *peopledetect.Config) { c.Overlap = 65 }, "overlap: must be from 0 to 1, got 65"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := peopledetect.Default()
			tt.change(&cfg)
			if got := message(cfg.Validate()); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// find returns the people in the street.
func find(t *testing.T, config string) []pipeline.Detection {
	t.Helper()
	m := gocv.IMRead("testdata/street.jpg", gocv.IMReadColor)
	defer m.Close()
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	f := pipeline.NewFrame(pipeline.Meta{}, img)
	defer f.Release()
	stage := pipetest.NewStage(t, kind(config))
	defer stage.(*peopledetect.PeopleDetect).Close()
	if err := stage.Process(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	ds, _ := pipeline.Get(f, pipeline.Detections)
	return ds
}

func anyAt(ds []pipeline.Detection, p pipeline.Point) bool {
	for _, d := range ds {
		if p.X > d.Box.X && p.X < d.Box.X+d.Box.Width && p.Y > d.Box.Y && p.Y < d.Box.Y+d.Box.Height {
			return true
		}
	}
	return false
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
