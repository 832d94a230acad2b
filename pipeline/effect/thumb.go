package effect

import (
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// The thumbnail of a picture: coarse enough that noise and what moves a little
// average out, fine enough for what appears in a corner.
const (
	columns, rows = 32, 18
	cells         = columns * rows
	// samples are the pixels that are looked at in each direction of a cell.
	samples = 4
)

// thumb is the luma of each cell.
type thumb [cells]float32

// take makes the thumbnail of a picture. It is false where the luma cannot be had.
func (t *thumb) take(img pipeline.Image, scratch *[]byte) bool {
	format := img.Format()
	if format.Width < 1 || format.Height < 1 {
		return false
	}
	if planar, ok := img.(pipeline.Planar); ok && hasLuma(format.Layout) {
		p, stride := planar.Plane(0)
		if p == nil || stride < format.Width {
			return false
		}
		t.sample(unsafe.Slice((*byte)(p), stride*(format.Height-1)+format.Width), stride, format.Width, format.Height)
		return true
	}
	converter, ok := img.(pipeline.Converter)
	if !ok {
		return false
	}
	const width, height = columns * samples, rows * samples
	if len(*scratch) < width*height {
		*scratch = make([]byte, width*height)
	}
	small := pipeline.Format{Layout: pipeline.Gray8, Width: width, Height: height}
	if converter.ConvertTo(unsafe.Pointer(unsafe.SliceData(*scratch)), width, small) != nil {
		return false
	}
	t.sample(*scratch, width, width, height)
	return true
}

func hasLuma(l pipeline.Layout) bool {
	return l == pipeline.I420 || l == pipeline.NV12 || l == pipeline.Gray8
}

// sample averages a few pixels of each cell of a plane.
func (t *thumb) sample(plane []byte, stride, width, height int) {
	var x [columns * samples]int
	for i := range x {
		x[i] = (2*i + 1) * width / (2 * columns * samples)
	}
	for r := range rows {
		var sums [columns]int
		for s := range samples {
			y := (2*(r*samples+s) + 1) * height / (2 * rows * samples)
			line := plane[y*stride : y*stride+width]
			for i, at := range x {
				sums[i/samples] += int(line[at])
			}
		}
		for c, sum := range sums {
			t[r*columns+c] = float32(sum) / (samples * samples)
		}
	}
}
