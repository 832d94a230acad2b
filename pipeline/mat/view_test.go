package mat_test

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"sync"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

func TestViews(t *testing.T) {
	tests := []struct {
		name        string
		view        func(*pipeline.Frame) (*gocv.Mat, error)
		size        image.Point
		typ         gocv.MatType
		pixel       [3]byte
		conversions int32
	}{
		{"View is BGR", mat.View, image.Pt(33, 17), gocv.MatTypeCV8UC3, [3]byte{255, 255, 255}, 1},
		{"Gray is full range", mat.Gray, image.Pt(33, 17), gocv.MatTypeCV8UC1, [3]byte{255}, 1},
		{"Luma is the stream's own", mat.Luma, image.Pt(33, 17), gocv.MatTypeCV8UC1, [3]byte{235}, 0},
		{"Scaled is BGR", func(f *pipeline.Frame) (*gocv.Mat, error) { return mat.Scaled(f, 8, 4) }, image.Pt(8, 4), gocv.MatTypeCV8UC3, [3]byte{255, 255, 255}, 1},
		{"ScaledGray is full range", func(f *pipeline.Frame) (*gocv.Mat, error) { return mat.ScaledGray(f, 8, 4) }, image.Pt(8, 4), gocv.MatTypeCV8UC1, [3]byte{255}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPicture(33, 17, 235)
			f := frame(t, p)
			must(t)(tt.view(f))
			m := must(t)(tt.view(f)) // the second costs nothing
			if got := image.Pt(m.Cols(), m.Rows()); got != tt.size {
				t.Errorf("size is %v, want %v", got, tt.size)
			}
			if got := m.Type(); got != tt.typ {
				t.Errorf("type is %v, want %v", got, tt.typ)
			}
			if got := at(m, m.Rows()-1, m.Cols()-1); got != tt.pixel {
				t.Errorf("last pixel is %v, want %v", got, tt.pixel)
			}
			if got := p.conversions.Load(); got != tt.conversions {
				t.Errorf("%d conversions, want %d", got, tt.conversions)
			}
		})
	}
}

func TestGrayOfAFullRangeStreamIsItsLuma(t *testing.T) {
	p := newPicture(16, 16, 200)
	p.format.Range = pipeline.Full
	if got := at(must(t)(mat.Gray(frame(t, p))), 3, 3); got != [3]byte{200} {
		t.Errorf("gray is %v, want 200", got)
	}
	if n := p.conversions.Load(); n != 0 {
		t.Errorf("%d conversions, want none", n)
	}
}

func TestLumaKeepsItsMeaningAfterAnEdit(t *testing.T) {
	for _, size := range []image.Point{{32, 16}, {33, 17}, {1, 1}} {
		f := frame(t, newPicture(size.X, size.Y, 235))
		must(t)(mat.Edit(f))
		luma := must(t)(mat.Luma(f))
		if got := at(luma, size.Y-1, size.X-1); got != [3]byte{235} {
			t.Errorf("%v: luma of white is %v, want 235", size, got)
		}
		if got := at(must(t)(mat.Gray(f)), size.Y-1, size.X-1); got != [3]byte{255} {
			t.Errorf("%v: gray of white is %v, want 255", size, got)
		}
	}
}

func TestEditIsPrivate(t *testing.T) {
	f := frame(t, newPicture(32, 16, 235))
	other := f.Share()
	defer other.Release()
	before := must(t)(mat.View(f))

	fill(t, must(t)(mat.Edit(f)), 7)

	if got := at(must(t)(mat.View(f)), 0, 0); got != [3]byte{7, 7, 7} {
		t.Errorf("the frame shows %v after its edit, want 7", got)
	}
	if got := at(must(t)(mat.Gray(f)), 0, 0); got != [3]byte{7} {
		t.Errorf("its gray shows %v, want 7", got)
	}
	if got := at(must(t)(mat.View(other)), 0, 0); got != [3]byte{255, 255, 255} {
		t.Errorf("the share shows %v, want 255", got)
	}
	if got := at(before, 0, 0); got != [3]byte{255, 255, 255} {
		t.Errorf("what was lent before the edit shows %v, want 255", got)
	}
}

func TestEditOfTheSoleHolderCopiesOnce(t *testing.T) {
	p := newPicture(32, 16, 235)
	f := frame(t, p)
	fill(t, must(t)(mat.Edit(f)), 7)
	img := f.Image()
	gray := must(t)(mat.Gray(f))
	fill(t, must(t)(mat.Edit(f)), 9)
	if f.Image() != img {
		t.Error("the second edit made another picture")
	}
	if got := at(gray, 0, 0); got != [3]byte{7} {
		t.Errorf("gray lent before shows %v, want 7", got)
	}
	if got := at(must(t)(mat.Gray(f)), 0, 0); got != [3]byte{9} {
		t.Errorf("gray after the edit shows %v, want 9", got)
	}
}

func TestEditOfASharedEditCopies(t *testing.T) {
	f := frame(t, newPicture(32, 16, 235))
	fill(t, must(t)(mat.Edit(f)), 7)
	other := f.Share()
	defer other.Release()
	fill(t, must(t)(mat.Edit(other)), 9)
	if got := at(must(t)(mat.View(f)), 0, 0); got != [3]byte{7, 7, 7} {
		t.Errorf("the frame shows %v, want 7", got)
	}
}

func TestEditOfAGrayPicture(t *testing.T) {
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(80, 0, 0, 0), 5, 3, gocv.MatTypeCV8UC1)
	defer m.Close()
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	f := frame(t, img)
	if got := at(must(t)(mat.Gray(f)), 4, 2); got != [3]byte{80} {
		t.Errorf("gray is %v, want 80", got)
	}
	if got := at(must(t)(mat.Edit(f)), 4, 2); got != [3]byte{80, 80, 80} {
		t.Errorf("BGR is %v, want 80", got)
	}
}

func TestHeadersAreTheCallersOwn(t *testing.T) {
	f := frame(t, newPicture(32, 16, 235))
	a, b := must(t)(mat.View(f)), must(t)(mat.View(f))
	a.Close()
	if got := at(b, 0, 0); got != [3]byte{255, 255, 255} {
		t.Errorf("after another's Close the view shows %v, want 255", got)
	}
	if err := gocv.Resize(*b, b, image.Pt(4, 4), 0, 0, gocv.InterpolationLinear); err != nil {
		t.Fatal(err)
	}
	if got := must(t)(mat.View(f)).Cols(); got != 32 {
		t.Errorf("after another's resize the view is %d wide, want 32", got)
	}
}

func TestReplace(t *testing.T) {
	f := frame(t, newPicture(32, 16, 235))
	img, err := mat.New(16, 8)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, img.Mat(), 3)
	f.Replace(img, pipeline.Scale(0.5, 0.5))
	if got := at(must(t)(mat.View(f)), 7, 15); got != [3]byte{3, 3, 3} {
		t.Errorf("the new picture shows %v, want 3", got)
	}
}

func TestNewScaled(t *testing.T) {
	p := newPicture(32, 16, 235)
	f := frame(t, p)
	img, err := mat.NewScaled(f, 5, 3)
	if err != nil {
		t.Fatal(err)
	}
	f.Replace(img, pipeline.Scale(5.0/32, 3.0/16))
	if got := at(must(t)(mat.Edit(f)), 2, 4); got != [3]byte{255, 255, 255} {
		t.Errorf("the new picture shows %v, want 255", got)
	}
	if n := p.conversions.Load(); n != 1 {
		t.Errorf("%d conversions, want 1", n)
	}
}

func TestNoPixels(t *testing.T) {
	views := map[string]func(*pipeline.Frame) (*gocv.Mat, error){
		"View": mat.View, "Gray": mat.Gray, "Luma": mat.Luma, "Edit": mat.Edit,
		"Scaled": func(f *pipeline.Frame) (*gocv.Mat, error) { return mat.Scaled(f, 2, 2) },
	}
	for name, view := range views {
		f := frame(t, nil)
		if _, err := view(f); !errors.Is(err, pipeline.ErrNoPixels) {
			t.Errorf("%s of a message: %v, want ErrNoPixels", name, err)
		}
	}
}

func TestImpossibleSizes(t *testing.T) {
	for _, size := range []image.Point{{0, 4}, {4, 0}, {-1, 4}, {1 << 20, 1 << 20}} {
		if img, err := mat.New(size.X, size.Y); err == nil {
			img.Close()
			t.Errorf("New(%d, %d) made a picture", size.X, size.Y)
		}
	}
}

// Two branches look at one picture at the same time, and one edits.
func TestBranches(t *testing.T) {
	for range 50 {
		p := newPicture(64, 32, 235)
		f := frame(t, p)
		shares := []*pipeline.Frame{f.Share(), f.Share(), f.Share(), f.Share()}
		var wg sync.WaitGroup
		for i, s := range shares {
			wg.Go(func() {
				if err := look(s, byte(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := p.conversions.Load(); n > 4 { // BGR, gray, two edits
			t.Fatalf("%d conversions, want at most 4", n)
		}
	}
}

// look reads s, and edits every second one.
func look(s *pipeline.Frame, i byte) error {
	defer s.Release()
	if _, err := mat.Gray(s); err != nil {
		return err
	}
	m, err := mat.View(s)
	if err != nil {
		return err
	}
	if got := at(m, 1, 1); got != [3]byte{255, 255, 255} {
		return fmt.Errorf("a share shows %v, want 255", got)
	}
	if i%2 == 0 {
		return nil
	}
	m, err = mat.Edit(s)
	if err != nil {
		return err
	}
	m.SetUCharAt(1, 3, i)
	return nil
}

func TestJPEG(t *testing.T) {
	f := frame(t, newPicture(32, 16, 235))
	file, err := mat.JPEG(f, 80)
	if err != nil {
		t.Fatal(err)
	}
	m, err := gocv.IMDecode(file, gocv.IMReadColor)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := image.Pt(m.Cols(), m.Rows()); got != image.Pt(32, 16) {
		t.Errorf("the file holds %v, want 32x16", got)
	}
}

func fill(t *testing.T, m *gocv.Mat, v byte) {
	t.Helper()
	all := image.Rect(0, 0, m.Cols(), m.Rows())
	if err := gocv.Rectangle(m, all, color.RGBA{v, v, v, 0}, -1); err != nil {
		t.Error(err)
	}
}
