package pipeline_test

import (
	"testing"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// board is a picture of any layout, in bytes.
type board struct {
	format  pipeline.Format
	data    []byte
	offsets []int
	strides []int
}

// newBoard has rows that are longer than they need to be.
func newBoard(layout pipeline.Layout, width, height int) *board {
	b := &board{format: pipeline.Format{Layout: layout, Width: width, Height: height}}
	half := (height + 1) / 2
	rows := map[pipeline.Layout][]int{
		pipeline.I420: {height, half, half}, pipeline.NV12: {height, half},
		pipeline.BGR24: {height}, pipeline.RGB24: {height}, pipeline.Gray8: {height},
	}[layout]
	for _, n := range rows {
		const stride = 64
		b.offsets, b.strides = append(b.offsets, len(b.data)), append(b.strides, stride)
		b.data = append(b.data, make([]byte, stride*n)...)
	}
	return b
}

func (b *board) Format() pipeline.Format { return b.format }
func (b *board) Clone() (pipeline.Image, error) {
	return newBoard(b.format.Layout, b.format.Width, b.format.Height), nil
}
func (b *board) Close() error { return nil }
func (b *board) Plane(i int) (unsafe.Pointer, int) {
	return unsafe.Pointer(&b.data[b.offsets[i]]), b.strides[i]
}

// Each byte of a picture is looked at, of every plane, and none behind a row.
func TestGuardLooksAtEveryByte(t *testing.T) {
	const w, h = 5, 3
	bytes := map[pipeline.Layout]int{
		pipeline.I420: w*h + 2*3*2, pipeline.NV12: w*h + 6*2, pipeline.BGR24: 3 * w * h, pipeline.RGB24: 3 * w * h, pipeline.Gray8: w * h,
	}
	for layout, want := range bytes {
		t.Run(layout.String(), func(t *testing.T) {
			got := 0
			b := newBoard(layout, w, h)
			for i := range b.data {
				f := pipeline.NewFrame(pipeline.Meta{}, b)
				f.Guard()
				if err := f.Watch("blur"); err != nil {
					t.Fatal(err)
				}
				b.data[i]++
				if f.Verify() != nil {
					got++
				}
				f.Release()
			}
			if got != want {
				t.Errorf("%d bytes are guarded, want %d", got, want)
			}
		})
	}
}

// What was written between two calls is not laid to the second.
func TestGuardBetweenCalls(t *testing.T) {
	b := newBoard(pipeline.BGR24, 4, 4)
	f := pipeline.NewFrame(pipeline.Meta{}, b)
	defer f.Release()
	f.Guard()
	b.data[0]++
	steps := []struct{ node, want string }{
		{"blur", "the source wrote to a shared frame; call mat.Edit"},
		{"edges", "blur wrote to a shared frame; call mat.Edit"},
		{"overlay", "edges wrote to a shared frame; call mat.Edit"},
	}
	for _, step := range steps {
		if err := f.Watch(step.node); err == nil || err.Error() != step.want {
			t.Errorf("got %v, want %s", err, step.want)
		}
		if err := f.Verify(); err != nil {
			t.Errorf("%s: got %v", step.node, err)
		}
		b.data[0]++
	}
}

// Without a guard nobody looks.
func TestNoGuard(t *testing.T) {
	b := newBoard(pipeline.BGR24, 4, 4)
	f := pipeline.NewFrame(pipeline.Meta{}, b)
	defer f.Release()
	if err := f.Watch("blur"); err != nil {
		t.Error(err)
	}
	b.data[0]++
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
}
