package pipetest

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// colour is one pixel, full range.
type colour struct{ r, g, b uint8 }

// ycc returns the pixel in limited-range BT.601.
func (c colour) ycc() (y, u, v uint8) {
	r, g, b := float64(c.r), float64(c.g), float64(c.b)
	return clamp(16 + 0.257*r + 0.504*g + 0.098*b),
		clamp(128 - 0.148*r - 0.291*g + 0.439*b),
		clamp(128 + 0.439*r - 0.368*g - 0.071*b)
}

func fromYCC(y, u, v uint8) colour {
	l, cb, cr := 1.164*(float64(y)-16), float64(u)-128, float64(v)-128
	return colour{r: clamp(l + 1.596*cr), g: clamp(l - 0.392*cb - 0.813*cr), b: clamp(l + 2.017*cb)}
}

// luma returns the pixel's brightness, full range.
func (c colour) luma() uint8 {
	return clamp(0.299*float64(c.r) + 0.587*float64(c.g) + 0.114*float64(c.b))
}

func clamp(v float64) uint8 { return uint8(math.Round(max(0, min(255, v)))) }

// surface is memory that holds a picture.
type surface struct {
	format pipeline.Format
	data   []byte
	stride int // of the first plane in bytes; 0: rows lie close together
}

func (s surface) row() int {
	_, width := plane(s.format, 0)
	return max(s.stride, width)
}

// chroma returns where U and V of pixel (x, y) lie.
func (s surface) chroma(x, y int) (u, v int) {
	height := s.format.Height
	if s.format.Layout == pipeline.NV12 {
		row := s.row() + s.row()%2
		at := s.row()*height + y/2*row + x/2*2
		return at, at + 1
	}
	row := (s.row() + 1) / 2
	u = s.row()*height + y/2*row + x/2
	return u, u + row*((height+1)/2)
}

func (s surface) at(x, y int) colour {
	switch s.format.Layout {
	case pipeline.BGR24:
		p := s.data[y*s.row()+3*x:]
		return colour{r: p[2], g: p[1], b: p[0]}
	case pipeline.RGB24:
		p := s.data[y*s.row()+3*x:]
		return colour{r: p[0], g: p[1], b: p[2]}
	case pipeline.Gray8:
		l := s.data[y*s.row()+x]
		return colour{l, l, l}
	default:
		u, v := s.chroma(x, y)
		return fromYCC(s.data[y*s.row()+x], s.data[u], s.data[v])
	}
}

// gray returns the luma of a pixel, full range.
func (s surface) gray(x, y int) uint8 {
	switch s.format.Layout {
	case pipeline.I420, pipeline.NV12:
		return clamp((float64(s.data[y*s.row()+x]) - 16) * 255 / 219)
	default:
		return s.at(x, y).luma()
	}
}

func (s surface) set(x, y int, c colour) {
	switch s.format.Layout {
	case pipeline.BGR24:
		copy(s.data[y*s.row()+3*x:], []byte{c.b, c.g, c.r})
	case pipeline.RGB24:
		copy(s.data[y*s.row()+3*x:], []byte{c.r, c.g, c.b})
	case pipeline.Gray8:
		s.data[y*s.row()+x] = c.luma()
	default:
		u, v := s.chroma(x, y)
		s.data[y*s.row()+x], s.data[u], s.data[v] = c.ycc()
	}
}

// convert writes src at dst, nearest neighbour.
func convert(dst unsafe.Pointer, stride int, to pipeline.Format, src *Picture) error {
	if to.Width <= 0 || to.Height <= 0 {
		return fmt.Errorf("convert to %s: %w", to, pipeline.ErrInvalid)
	}
	from := surface{format: src.format, data: src.data}
	into := surface{format: to, stride: stride}
	into.data = unsafe.Slice((*byte)(dst), into.size())
	for y := range to.Height {
		for x := range to.Width {
			sx, sy := x*src.format.Width/to.Width, y*src.format.Height/to.Height
			if to.Layout == pipeline.Gray8 {
				into.data[y*into.row()+x] = from.gray(sx, sy)
				continue
			}
			into.set(x, y, from.at(sx, sy))
		}
	}
	return nil
}

// size returns how many bytes the surface takes.
func (s surface) size() int {
	height := s.format.Height
	_, width := plane(s.format, 0)
	switch s.format.Layout {
	case pipeline.I420:
		return s.row()*height + 2*((s.row()+1)/2)*((height+1)/2)
	case pipeline.NV12:
		return s.row()*height + (s.row()+s.row()%2)*((height+1)/2)
	default:
		return s.row()*(height-1) + width
	}
}
