package mat_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"unsafe"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// picture is what a decoder makes: I420 with gaps between its rows, in memory
// of its own, one luma for all pixels and no colour.
type picture struct {
	format      pipeline.Format
	y           []byte
	stride      int
	conversions atomic.Int32
	closed      atomic.Bool
}

var _ interface {
	pipeline.Planar
	pipeline.Converter
} = (*picture)(nil)

func newPicture(width, height int, luma byte) *picture {
	p := &picture{format: pipeline.Format{Layout: pipeline.I420, Width: width, Height: height}, stride: width + 7}
	p.y = make([]byte, p.stride*height)
	for i := range p.y {
		p.y[i] = luma
	}
	return p
}

func (p *picture) Format() pipeline.Format { return p.format }

func (p *picture) Clone() (pipeline.Image, error) {
	return newPicture(p.format.Width, p.format.Height, p.y[0]), nil
}

func (p *picture) Close() error {
	if p.closed.Swap(true) {
		panic("picture closed twice")
	}
	return nil
}

func (p *picture) Plane(int) (unsafe.Pointer, int) { return unsafe.Pointer(&p.y[0]), p.stride }

func (p *picture) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	p.conversions.Add(1)
	channels := map[pipeline.Layout]int{pipeline.BGR24: 3, pipeline.Gray8: 1}[to.Layout]
	if channels == 0 {
		return fmt.Errorf("no conversion to %s", to)
	}
	full := byte(min(max((float64(p.y[0])-16)*255/219, 0), 255))
	for y := range to.Height {
		row := unsafe.Slice((*byte)(unsafe.Add(dst, y*stride)), to.Width*channels)
		for x := range row {
			row[x] = full
		}
	}
	return nil
}

// frame returns a frame that the test releases, and checks that nothing of it
// is left afterwards.
func frame(t testing.TB, img pipeline.Image) *pipeline.Frame {
	t.Helper()
	before := mat.Live()
	f := pipeline.NewFrame(pipeline.Meta{}, img)
	t.Cleanup(func() {
		if err := f.Release(); err != nil {
			t.Error(err)
		}
		if left := mat.Live() - before; left > 0 {
			t.Errorf("%d pictures were never closed", left)
		}
	})
	return f
}

// must ends the test unless its call went well.
func must(t testing.TB) func(*gocv.Mat, error) *gocv.Mat {
	t.Helper()
	return func(m *gocv.Mat, err error) *gocv.Mat {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// at returns the channels of one pixel.
func at(m *gocv.Mat, row, col int) [3]byte {
	if m.Channels() == 1 {
		return [3]byte{m.GetUCharAt(row, col)}
	}
	v := m.GetVecbAt(row, col)
	return [3]byte{v[0], v[1], v[2]}
}
