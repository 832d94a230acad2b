package mat_test

import (
	"image"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// standing is a picture that a test has for good.
type standing struct{ *picture }

func (standing) Close() error { return nil }

// ways are what stages do with a frame, and what they get.
var ways = []struct {
	name string
	do   func(f *pipeline.Frame) (*gocv.Mat, error)
}{
	{"view", mat.View},
	{"gray", mat.Gray},
	{"luma", mat.Luma},
	{"scaled", func(f *pipeline.Frame) (*gocv.Mat, error) { return mat.Scaled(f, 32, 16) }},
	{"edit", mat.Edit},
	{"edit of what was looked at", func(f *pipeline.Frame) (*gocv.Mat, error) {
		if _, err := mat.View(f); err != nil {
			return nil, err
		}
		return mat.Edit(f)
	}},
	{"two edits", func(f *pipeline.Frame) (*gocv.Mat, error) {
		if _, err := mat.Edit(f); err != nil {
			return nil, err
		}
		if _, err := mat.Gray(f); err != nil {
			return nil, err
		}
		return mat.Edit(f)
	}},
	{"view of a share", func(f *pipeline.Frame) (*gocv.Mat, error) {
		s := f.Share()
		m, err := mat.View(s)
		if e := s.Recycle(); err == nil {
			err = e
		}
		return m, err
	}},
}

// TestFramesCostNoAllocation: of frames whose owner recycles them, nothing is made
// anew, neither they nor their pixels nor Mats.
func TestFramesCostNoAllocation(t *testing.T) {
	if !pooled {
		t.Skip("frames are not used again in this build")
	}
	img := standing{newPicture(64, 36, 100)}
	free := func() {}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			frame := func() {
				f := pipeline.NewFrame(pipeline.Meta{}, img)
				f.Occupy(free)
				if m, err := way.do(f); err != nil || m.Empty() {
					t.Fatalf("%v, %v", m, err)
				}
				if err := f.Recycle(); err != nil {
					t.Fatal(err)
				}
			}
			frame()
			if n := testing.AllocsPerRun(1000, frame); n != 0 {
				t.Errorf("%v allocations a frame", n)
			}
		})
	}
}

// BenchmarkFrame is the life of a frame apart from its pixels.
func BenchmarkFrame(b *testing.B) {
	img := standing{newPicture(2, 2, 100)}
	b.ReportAllocs()
	for b.Loop() {
		f := pipeline.NewFrame(pipeline.Meta{}, img)
		if _, err := mat.View(f); err != nil {
			b.Fatal(err)
		}
		if err := f.Recycle(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMatsOfAnotherFrame: a Mat that comes from an earlier frame shows the pixels
// of this one and nothing else, whatever was done to it there.
func TestMatsOfAnotherFrame(t *testing.T) {
	for i, harm := range []func(m *gocv.Mat){
		func(m *gocv.Mat) { m.Close() },
		func(m *gocv.Mat) { gocv.Resize(*m, m, image.Pt(20, 20), 0, 0, gocv.InterpolationLinear) },
		func(*gocv.Mat) {},
	} {
		for luma := range byte(4) {
			f := pipeline.NewFrame(pipeline.Meta{}, newPicture(9, 7, 100+luma))
			m := must(t)(mat.Gray(f))
			if m.Rows() != 7 || m.Cols() != 9 || m.Channels() != 1 {
				t.Fatalf("harm %d: %dx%d, %d channels", i, m.Cols(), m.Rows(), m.Channels())
			}
			want := byte((float64(100+luma) - 16) * 255 / 219)
			if got := m.GetUCharAt(6, 8); got != want {
				t.Errorf("harm %d: got %d, want %d", i, got, want)
			}
			harm(m)
			if err := f.Recycle(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
