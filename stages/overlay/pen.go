package overlay

import (
	"image"
	"image/color"
	"math"
	"strings"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const font = gocv.FontHersheySimplex

// pen draws on one picture, in sizes that fit it.
type pen struct {
	m       *gocv.Mat
	picture image.Rectangle
	line    int     // width of a box's lines, in pixels
	scale   float64 // of the font
	stroke  int     // width of a letter's lines, in pixels
	margin  int     // around a text, in pixels
}

func newPen(m *gocv.Mat, lineWidth int) *pen {
	height := m.Rows()
	p := &pen{
		m: m, picture: image.Rect(0, 0, m.Cols(), height), line: lineWidth,
		scale: max(0.4, float64(height)/1000), stroke: max(1, height/540), margin: max(2, height/240),
	}
	if p.line == 0 {
		p.line = max(1, height/240)
	}
	return p
}

// box draws b and its text, which stands above it, or inside where there is no
// room above, and whole as long as the picture is wide enough.
func (p *pen) box(b box) error {
	r := p.rectangle(b.at)
	if err := gocv.RectangleWithParams(p.m, r, b.color, p.line, gocv.Line8, 0); err != nil || b.text == "" {
		return err
	}
	size := p.size(b.text)
	at := image.Pt(max(0, min(r.Min.X, p.picture.Max.X-size.X)), r.Min.Y-size.Y)
	if at.Y < 0 {
		at.Y = max(0, r.Min.Y)
	}
	return p.sign(b.text, at, size, b.color, contrast(b.color))
}

// caption writes lines of white on black at the upper or lower edge.
func (p *pen) caption(text string, bottom bool) error {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	height := p.size("X").Y
	at := image.Pt(0, 0)
	if bottom {
		at.Y = p.picture.Max.Y - height*len(lines)
	}
	for _, line := range lines {
		size := image.Pt(p.size(line).X, height)
		if err := p.sign(line, at, size, color.RGBA{0, 0, 0, 255}, color.RGBA{255, 255, 255, 255}); err != nil {
			return err
		}
		at.Y += height
	}
	return nil
}

// sign writes text on a ground whose upper left corner is at.
func (p *pen) sign(text string, at, size image.Point, ground, letters color.RGBA) error {
	if err := gocv.RectangleWithParams(p.m, image.Rectangle{at, at.Add(size)}, ground, -1, gocv.Line8, 0); err != nil {
		return err
	}
	_, below := gocv.GetTextSizeWithBaseline(text, font, p.scale, p.stroke)
	base := image.Pt(at.X+p.margin, at.Y+size.Y-p.margin-below/2)
	return gocv.PutTextWithParams(p.m, text, base, font, p.scale, letters, p.stroke, gocv.LineAA, false)
}

// size returns how much room a text needs, margins included.
func (p *pen) size(text string) image.Point {
	size, below := gocv.GetTextSizeWithBaseline(text, font, p.scale, p.stroke)
	return image.Pt(size.X+2*p.margin, size.Y+below/2+2*p.margin)
}

// rectangle rounds b, and keeps edges that are far outside of the picture near
// it: OpenCV draws with small integers.
func (p *pen) rectangle(b pipeline.Box) image.Rectangle {
	near := p.picture.Inset(-100)
	x := func(v float64) int { return clamp(v, near.Min.X, near.Max.X) }
	y := func(v float64) int { return clamp(v, near.Min.Y, near.Max.Y) }
	return image.Rect(x(b.X), y(b.Y), x(b.X+b.Width), y(b.Y+b.Height))
}

func clamp(v float64, low, high int) int {
	if math.IsNaN(v) {
		return low
	}
	return int(math.Round(max(float64(low), min(float64(high), v))))
}

// contrast returns black or white, whichever is easier to read on c.
func contrast(c color.RGBA) color.RGBA {
	if 299*int(c.R)+587*int(c.G)+114*int(c.B) > 128_000 {
		return color.RGBA{0, 0, 0, 255}
	}
	return color.RGBA{255, 255, 255, 255}
}
