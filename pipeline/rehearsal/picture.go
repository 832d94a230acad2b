package rehearsal

import (
	"fmt"
	"strconv"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// plainPicture is a picture of one colour. It has no memory.
type plainPicture struct {
	format  pipeline.Format
	r, g, b uint8
}

var _ pipeline.Converter = (*plainPicture)(nil)

func newPlainPicture(width, height int, c color) *plainPicture {
	n, err := strconv.ParseUint(string(c[1:]), 16, 24)
	if err != nil {
		panic(fmt.Sprintf("rehearsal: colour %s", c)) // the file was checked
	}
	return &plainPicture{
		format: pipeline.Format{Layout: pipeline.BGR24, Width: width, Height: height},
		r:      uint8(n >> 16), g: uint8(n >> 8 & 0xff), b: uint8(n & 0xff), //nolint:gosec // 24 bits
	}
}

// Format returns BGR.
func (p *plainPicture) Format() pipeline.Format { return p.format }

// Clone returns p: nobody can write to it.
func (p *plainPicture) Clone() (pipeline.Image, error) { return p, nil }

// Close has nothing to free.
func (p *plainPicture) Close() error { return nil }

// ConvertTo writes the colour: see [pipeline.Converter].
func (p *plainPicture) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	y, u, v := p.yuv()
	halfWidth, halfHeight := (to.Width+1)/2, (to.Height+1)/2
	fill := func(at, stride, width, rows int, pixel ...uint8) {
		for row := range rows {
			line := unsafe.Slice((*uint8)(unsafe.Add(dst, at+row*stride)), width*len(pixel))
			for x := range width {
				copy(line[x*len(pixel):], pixel)
			}
		}
	}
	chroma := stride * to.Height
	switch to.Layout {
	case pipeline.BGR24:
		fill(0, stride, to.Width, to.Height, p.b, p.g, p.r)
	case pipeline.RGB24:
		fill(0, stride, to.Width, to.Height, p.r, p.g, p.b)
	case pipeline.Gray8:
		fill(0, stride, to.Width, to.Height, p.gray())
	case pipeline.I420:
		fill(0, stride, to.Width, to.Height, y)
		fill(chroma, stride/2, halfWidth, halfHeight, u)
		fill(chroma+stride/2*halfHeight, stride/2, halfWidth, halfHeight, v)
	case pipeline.NV12:
		fill(0, stride, to.Width, to.Height, y)
		fill(chroma, stride, halfWidth, halfHeight, u, v)
	default:
		return fmt.Errorf("a plain picture cannot be converted to %s", to)
	}
	return nil
}

// gray is the brightness in full range.
func (p *plainPicture) gray() uint8 {
	return uint8((299*int(p.r) + 587*int(p.g) + 114*int(p.b) + 500) / 1000) //nolint:gosec // a mean of three bytes
}

// yuv is the colour in BT.601, limited range.
func (p *plainPicture) yuv() (y, u, v uint8) {
	r, g, b := float64(p.r), float64(p.g), float64(p.b)
	return uint8(16.5 + 0.257*r + 0.504*g + 0.098*b),
		uint8(128.5 - 0.148*r - 0.291*g + 0.439*b),
		uint8(128.5 + 0.439*r - 0.368*g - 0.071*b)
}
