package pipeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// speeds is a kind of a user's own.
var speeds = pipeline.NewKind[[]float64]("speeds", nil)

func person(x float64) []pipeline.Detection {
	return []pipeline.Detection{{Box: pipeline.Box{X: x, Width: 10, Height: 20}, Label: "person", Score: 0.9}}
}

func TestTheNearestWriterIsFoundOrTheOneThatIsNamed(t *testing.T) {
	f := newFrame(t, 1)
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, person(1))
	f.Lend("ids")
	pipeline.Set(f, pipeline.Detections, person(2))
	pipeline.Set(f, speeds, []float64{3})

	got := func(ds []pipeline.Detection, ok bool) float64 {
		if !ok {
			return -1
		}
		return ds[0].Box.X
	}
	if x := got(pipeline.Get(f, pipeline.Detections)); x != 2 {
		t.Errorf("nearest: %v", x)
	}
	if x := got(pipeline.GetFrom(f, "people", pipeline.Detections)); x != 1 {
		t.Errorf("named: %v", x)
	}
	if x := got(pipeline.GetFrom(f, "nobody", pipeline.Detections)); x != -1 {
		t.Errorf("unknown: %v", x)
	}
	if _, ok := pipeline.Get(f, pipeline.Texts); ok {
		t.Error("a kind that nobody set")
	}
	if v, ok := f.Lookup("ids", "speeds"); !ok || !cmp.Equal(v, []float64{3}) {
		t.Errorf("Lookup: %v %v", v, ok)
	}
	if _, ok := f.Lookup("people", "speeds"); ok {
		t.Error("Lookup found what another stage set")
	}
	release(t, f)
}

func TestAbsentIsNotEmpty(t *testing.T) {
	f := newFrame(t, 1)
	f.Lend("people")
	if _, ok := pipeline.Get(f, pipeline.Detections); ok {
		t.Error("present before it was set")
	}
	pipeline.Set(f, pipeline.Detections, nil)
	if ds, ok := pipeline.Get(f, pipeline.Detections); !ok || len(ds) != 0 {
		t.Errorf("%v %v", ds, ok)
	}
	release(t, f)
}

func TestTheLastValueOfAStageCounts(t *testing.T) {
	f := newFrame(t, 1)
	f.Lend("a")
	pipeline.Set(f, speeds, []float64{1})
	pipeline.Set(f, speeds, []float64{2})
	if v, _ := pipeline.GetFrom(f, "a", speeds); v[0] != 2 {
		t.Errorf("%v", v)
	}
	release(t, f)
}

func TestBranchesAnnotateOnTheirOwn(t *testing.T) {
	f := newFrame(t, 1)
	f.Lend("first")
	pipeline.Set(f, speeds, []float64{0})
	other := f.Share()
	f.Lend("a")
	other.Lend("b")
	pipeline.Set(f, speeds, []float64{1})
	pipeline.Set(other, speeds, []float64{2})
	if v, _ := pipeline.Get(f, speeds); v[0] != 1 {
		t.Errorf("a: %v", v)
	}
	if v, _ := pipeline.Get(other, speeds); v[0] != 2 {
		t.Errorf("b: %v", v)
	}
	f.Join(other)
	for stage, want := range map[string]float64{"first": 0, "a": 1, "b": 2} {
		if v, ok := pipeline.GetFrom(f, stage, speeds); !ok || v[0] != want {
			t.Errorf("joined %s: %v", stage, v)
		}
	}
	release(t, f, other)
}

func TestPositionsAreThoseOfTheFrameInHand(t *testing.T) {
	f := newFrame(t, 1)
	alive := f.Image().(*picture).alive
	f.Lend("big")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{
		Box: pipeline.Box{X: 100, Y: 50, Width: 40, Height: 20}, Keypoints: []pipeline.Keypoint{{Point: pipeline.Point{X: 110, Y: 60}}},
	}})
	f.Replace(paint(alive, 2), pipeline.Scale(0.5, 0.5))
	f.Replace(paint(alive, 3), pipeline.Translate(-10, -5))
	f.Lend("small")
	pipeline.Set(f, pipeline.Texts, []pipeline.Text{{Text: "STOP", Box: pipeline.Box{X: 40, Y: 20, Width: 20, Height: 10}}})

	ds, _ := pipeline.Get(f, pipeline.Detections)
	want := []pipeline.Detection{{
		Box: pipeline.Box{X: 40, Y: 20, Width: 20, Height: 10}, Keypoints: []pipeline.Keypoint{{Point: pipeline.Point{X: 45, Y: 25}}},
	}}
	if diff := cmp.Diff(want, ds); diff != "" {
		t.Errorf("in the small picture (-want +got):\n%s", diff)
	}
	if texts, _ := pipeline.Get(f, pipeline.Texts); texts[0].Box != (pipeline.Box{X: 40, Y: 20, Width: 20, Height: 10}) {
		t.Errorf("set and got: %+v", texts)
	}

	// A branch in the pixels of the source.
	other := pipeline.NewFrame(pipeline.Meta{}, nil)
	other.Join(f)
	if texts, _ := pipeline.Get(other, pipeline.Texts); texts[0].Box != (pipeline.Box{X: 100, Y: 50, Width: 40, Height: 20}) {
		t.Errorf("in the source picture: %+v", texts)
	}
	if ds, _ := pipeline.GetFrom(other, "big", pipeline.Detections); ds[0].Keypoints[0].Point != (pipeline.Point{X: 110, Y: 60}) {
		t.Errorf("in the source picture: %+v", ds)
	}
	release(t, f, other)
}

func TestHeldResultsTellTheirOrigin(t *testing.T) {
	f := newFrame(t, 1)
	f.PTS = time.Second
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, person(1))
	if o, ok := f.Origin("people"); !ok || o != (pipeline.Origin{Seq: 7, Fresh: true}) {
		t.Errorf("own: %+v", o)
	}
	results := f.Results("people")
	if results.Empty() || results.PTS() != time.Second || !f.Results("nobody").Empty() {
		t.Errorf("%+v", results)
	}

	later := pipeline.NewFrame(pipeline.Meta{Seq: 9, PTS: 1500 * time.Millisecond}, nil)
	later.Hold(results, true)
	if o, ok := later.Origin("people"); !ok || o != (pipeline.Origin{Seq: 7, Age: 500 * time.Millisecond, Fresh: true}) {
		t.Errorf("held: %+v", o)
	}
	if ds, ok := pipeline.GetFrom(later, "people", pipeline.Detections); !ok || ds[0].Box.X != 1 {
		t.Errorf("%v", ds)
	}
	if !later.Results("people").Empty() {
		t.Error("held results are not results of the frame")
	}
	if _, ok := later.Origin("nobody"); ok {
		t.Error("an origin of nothing")
	}
	release(t, f, later)
}
