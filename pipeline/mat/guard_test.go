package mat_test

import (
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// A guarded frame tells who writes through what is for reading, and lets who
// asks for an Edit write.
func TestGuard(t *testing.T) {
	views := map[string]func(*pipeline.Frame) (*gocv.Mat, error){
		"View": mat.View, "Gray": mat.Gray, "Luma": mat.Luma,
		"Scaled": func(f *pipeline.Frame) (*gocv.Mat, error) { return mat.Scaled(f, 16, 8) },
	}
	for name, view := range views {
		for _, layout := range []pipeline.Layout{pipeline.BGR24, pipeline.Gray8} {
			t.Run(name+" of "+layout.String(), func(t *testing.T) {
				f := guarded(t, layout)
				defer f.Release()
				m, err := view(f)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Verify(); err != nil {
					t.Fatalf("after a look: %v", err)
				}
				if err := f.Watch("blur"); err != nil {
					t.Fatal(err)
				}
				m.SetUCharAt(0, 0, m.GetUCharAt(0, 0)+1)
				if err := f.Verify(); err == nil || err.Error() != "blur wrote to a shared frame; call mat.Edit" {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	t.Run("Edit", func(t *testing.T) {
		f := guarded(t, pipeline.BGR24)
		defer f.Release()
		for range 2 { // of a picture of its own the second time
			m, err := mat.Edit(f)
			if err != nil {
				t.Fatal(err)
			}
			m.SetUCharAt(0, 0, m.GetUCharAt(0, 0)+1)
			if _, err := mat.Gray(f); err != nil {
				t.Fatal(err)
			}
			if err := f.Verify(); err != nil {
				t.Error(err)
			}
			if err := f.Watch("blur"); err != nil {
				t.Error(err)
			}
		}
	})
}

// guarded returns a frame that is lent to blur.
func guarded(t *testing.T, layout pipeline.Layout) *pipeline.Frame {
	t.Helper()
	m := gocv.NewMatWithSize(32, 48, gocv.MatTypeCV8UC3)
	if layout == pipeline.Gray8 {
		m.Close()
		m = gocv.NewMatWithSize(32, 48, gocv.MatTypeCV8UC1)
	}
	defer m.Close()
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	f := pipeline.NewFrame(pipeline.Meta{}, img)
	f.Guard()
	if err := f.Watch("blur"); err != nil {
		t.Fatal(err)
	}
	return f
}

// Pictures that nobody closed are told with the line that made them.
func TestLeaks(t *testing.T) {
	mat.Trace()
	before := len(mat.Leaks())
	img, err := mat.New(8, 8)
	if err != nil {
		t.Fatal(err)
	}
	f := guarded(t, pipeline.Gray8)
	if _, err := mat.View(f); err != nil {
		t.Fatal(err)
	}
	leaks := mat.Leaks()
	if len(leaks) != before+3 {
		t.Errorf("got %d more, want 3: %v", len(leaks)-before, leaks)
	}
	const here = "github.com/reactorpipe/reactorpipe/pipeline/mat_test.TestLeaks (guard_test.go:"
	for _, leak := range leaks {
		if strings.HasPrefix(leak, here) && !strings.HasSuffix(leak, "): 1") {
			t.Errorf("got %s", leak)
		}
	}
	if n := strings.Count(strings.Join(leaks, "\n"), here); n != 2 { // New and View
		t.Errorf("%d of them are of this test: %v", n, leaks)
	}
	img.Close()
	f.Release()
	if leaks := mat.Leaks(); len(leaks) != before {
		t.Errorf("left: %v", leaks)
	}
}
