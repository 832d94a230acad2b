package effect

import (
	"testing"
	"time"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// plane is a picture of luma whose rows are longer than it is wide.
type plane struct {
	format pipeline.Format
	stride int
	luma   []byte
}

func newPlane(width, height int, luma func(x, y int) byte) *plane {
	p := &plane{format: pipeline.Format{Layout: pipeline.I420, Width: width, Height: height}, stride: width + 13}
	p.luma = make([]byte, p.stride*height)
	for y := range height {
		for x := range width {
			p.luma[y*p.stride+x] = luma(x, y)
		}
	}
	return p
}

func (p *plane) Format() pipeline.Format { return p.format }

func (p *plane) Clone() (pipeline.Image, error) { return p, nil }

func (p *plane) Close() error { return nil }

func (p *plane) Plane(int) (unsafe.Pointer, int) { return unsafe.Pointer(&p.luma[0]), p.stride }

func TestThumb(t *testing.T) {
	for _, size := range [][2]int{{1280, 720}, {641, 359}, {32, 18}, {7, 3}, {1, 1}, {4096, 1}} {
		var got thumb
		var scratch []byte
		width, height := size[0], size[1]
		p := newPlane(width, height, func(x, y int) byte { return byte(100*x/width + 100*y/height) })
		if !got.take(p, &scratch) {
			t.Errorf("%d×%d: no thumbnail", width, height)
			continue
		}
		if width < columns || height < rows {
			continue // a cell is a part of a pixel
		}
		for i, luma := range got {
			x, y := (float32(i%columns)+0.5)/columns, (float32(i/columns)+0.5)/rows
			if d := luma - 100*x - 100*y; d < -7 || 7 < d {
				t.Fatalf("%d×%d: cell %d is %.1f, want %.1f", width, height, i, luma, 100*x+100*y)
			}
		}
	}
}

// packed is a picture that can only write itself elsewhere.
type packed struct{ *plane }

func (p packed) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.Opaque, Width: p.format.Width, Height: p.format.Height}
}

func (p packed) Plane() {} // is not pipeline.Planar's

func (p packed) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	into := unsafe.Slice((*byte)(dst), stride*to.Height)
	for i := range into {
		into[i] = 77
	}
	return nil
}

func TestThumbOfWhatHasNoLuma(t *testing.T) {
	var got thumb
	var scratch []byte
	if p := (packed{newPlane(64, 48, func(int, int) byte { return 0 })}); !got.take(p, &scratch) || got[0] != 77 || got[cells-1] != 77 {
		t.Errorf("got %.0f and %.0f, want what the picture wrote", got[0], got[cells-1])
	}
}

func BenchmarkLook(b *testing.B) {
	p := newPlane(1280, 720, func(x, y int) byte { return byte(x + y) })
	w := New(1)
	f := pipeline.NewFrame(pipeline.Meta{Stream: "cam"}, p)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Arrival = f.Arrival.Add(33_000_000)
		w.Look(f)
	}
}

// A picture that has to be converted is looked at once there are commands.
func TestConvertsForCommandsOnly(t *testing.T) {
	w := New(1)
	p := packed{newPlane(64, 48, func(int, int) byte { return 0 })}
	f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Arrival: time.Unix(1, 0)}, p)
	w.Look(f)
	if n := len(w.streams); n != 0 {
		t.Error("it was looked at before there was a command")
	}
	w.Sent("set_x", time.Unix(2, 0)).Forget()
	w.Look(f)
	if n := len(w.streams); n != 1 {
		t.Error("it was not looked at after a command")
	}
}
