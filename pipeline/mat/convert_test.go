package mat_test

import (
	"bytes"
	"image"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

func TestConvertTo(t *testing.T) {
	tests := []struct {
		name   string
		from   image.Point
		to     image.Point
		layout pipeline.Layout
		stride int
	}{
		{"BGR", image.Pt(6, 4), image.Pt(6, 4), pipeline.BGR24, 18},
		{"BGR with gaps", image.Pt(6, 4), image.Pt(6, 4), pipeline.BGR24, 32},
		{"RGB with gaps", image.Pt(6, 4), image.Pt(6, 4), pipeline.RGB24, 32},
		{"gray with gaps", image.Pt(6, 4), image.Pt(6, 4), pipeline.Gray8, 8},
		{"I420 tight", image.Pt(6, 4), image.Pt(6, 4), pipeline.I420, 6},
		{"I420 with an odd number of chroma rows", image.Pt(6, 6), image.Pt(6, 6), pipeline.I420, 6},
		{"I420 with gaps", image.Pt(6, 4), image.Pt(6, 4), pipeline.I420, 16},
		{"I420 of odd size", image.Pt(5, 3), image.Pt(5, 3), pipeline.I420, 6},
		{"I420 of odd height", image.Pt(6, 3), image.Pt(6, 3), pipeline.I420, 6},
		{"I420 of one pixel", image.Pt(1, 1), image.Pt(1, 1), pipeline.I420, 2},
		{"NV12", image.Pt(6, 4), image.Pt(6, 4), pipeline.NV12, 6},
		{"NV12 of odd size", image.Pt(5, 3), image.Pt(5, 3), pipeline.NV12, 8},
		{"smaller BGR", image.Pt(12, 8), image.Pt(5, 3), pipeline.BGR24, 15},
		{"smaller gray", image.Pt(12, 8), image.Pt(5, 3), pipeline.Gray8, 5},
		{"larger I420", image.Pt(5, 3), image.Pt(12, 8), pipeline.I420, 12},
		{"wider and lower", image.Pt(6, 4), image.Pt(8, 2), pipeline.I420, 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			live := mat.Live()
			img := red(t, tt.from)
			to := pipeline.Format{Layout: tt.layout, Width: tt.to.X, Height: tt.to.Y}
			want := redBytes(to, tt.stride)
			got := make([]byte, len(want))
			if err := img.ConvertTo(unsafe.Pointer(&got[0]), tt.stride, to); err != nil {
				t.Fatal(err)
			}
			img.Close()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
			if n := mat.Live() - live; n != 0 {
				t.Errorf("%d pictures were never closed", n)
			}
		})
	}
}

func TestConvertToRefuses(t *testing.T) {
	tests := []struct {
		name   string
		to     pipeline.Format
		stride int
		want   string
	}{
		{"another matrix", pipeline.Format{Layout: pipeline.I420, Width: 4, Height: 4, Matrix: pipeline.BT709}, 4, "mat: i420 4x4 is only made in BT.601, limited range"},
		{"rows without room for chroma", pipeline.Format{Layout: pipeline.I420, Width: 3, Height: 4}, 3, "mat: rows of 3 bytes are too short for i420 3x4"},
		{"a layout of nobody", pipeline.Format{Layout: pipeline.Opaque, Width: 4, Height: 4}, 4, "mat: bgr24 cannot be converted to opaque 4x4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img := red(t, image.Pt(tt.to.Width, tt.to.Height))
			defer img.Close()
			buf := make([]byte, 64)
			err := img.ConvertTo(unsafe.Pointer(&buf[0]), tt.stride, tt.to)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error is %v, want %s", err, tt.want)
			}
		})
	}
}

func TestConvertGrayToI420(t *testing.T) {
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(255, 0, 0, 0), 2, 2, gocv.MatTypeCV8UC1)
	defer m.Close()
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	got := make([]byte, 6)
	if err := img.ConvertTo(unsafe.Pointer(&got[0]), 2, pipeline.Format{Layout: pipeline.I420, Width: 2, Height: 2}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte{235, 235, 235, 235, 128, 128}, got); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
}

func TestClone(t *testing.T) {
	a := red(t, image.Pt(5, 3))
	defer a.Close()
	b, err := a.Clone()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	fill(t, a.Mat(), 0)
	if got := at(b.(*mat.Image).Mat(), 2, 4); got != [3]byte{0, 0, 255} {
		t.Errorf("the clone shows %v, want red", got)
	}
}

// A smaller picture is the average of what it shows, not a choice of it: one column
// in four is white.
func TestSmallerIsTheAverage(t *testing.T) {
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 0, 0, 0), 16, 64, gocv.MatTypeCV8U)
	defer m.Close()
	for y := range m.Rows() {
		for x := 0; x < m.Cols(); x += 4 {
			m.SetUCharAt(y, x, 200)
		}
	}
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	got := make([]byte, 16*4)
	if err := img.ConvertTo(unsafe.Pointer(&got[0]), 16, pipeline.Format{Layout: pipeline.Gray8, Width: 16, Height: 4}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bytes.Repeat([]byte{50}, len(got)), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUseAfterClose(t *testing.T) {
	img := red(t, image.Pt(4, 4))
	kept := img.Mat()
	img.Close()
	if !kept.Closed() && !kept.Empty() {
		t.Error("a Mat still shows the picture's memory")
	}
	defer func() {
		if p := recover(); p != "mat: picture used after its release" {
			t.Errorf("got %v", p)
		}
	}()
	img.Mat()
}

func red(t *testing.T, size image.Point) *mat.Image {
	t.Helper()
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 0, 255, 0), size.Y, size.X, gocv.MatTypeCV8UC3)
	defer m.Close()
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// redBytes is what a red picture looks like, with zeros in the gaps. Red in
// limited BT.601 is Y 81.5, U 90.2, V 239.9.
func redBytes(f pipeline.Format, stride int) []byte {
	w, h := f.Width, f.Height
	cw, ch := (w+1)/2, (h+1)/2
	switch f.Layout {
	case pipeline.BGR24:
		return rows(h, stride, slices.Repeat([]byte{0, 0, 255}, w))
	case pipeline.RGB24:
		return rows(h, stride, slices.Repeat([]byte{255, 0, 0}, w))
	case pipeline.Gray8:
		return rows(h, stride, slices.Repeat([]byte{76}, w))
	case pipeline.NV12:
		return slices.Concat(rows(h, stride, slices.Repeat([]byte{82}, w)), rows(ch, stride, slices.Repeat([]byte{90, 240}, cw)))
	}
	return slices.Concat(
		rows(h, stride, slices.Repeat([]byte{82}, w)),
		rows(ch, stride/2, slices.Repeat([]byte{90}, cw)),
		rows(ch, stride/2, slices.Repeat([]byte{240}, cw)))
}

func rows(n, stride int, row []byte) []byte {
	return slices.Repeat(append(slices.Clone(row), make([]byte, stride-len(row))...), n)
}
