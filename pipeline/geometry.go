package pipeline

import "math"

// Point is a position in pixels; (0,0) is the top left corner of the picture.
type Point struct {
	X float64 `json:"x" expr:"x"`
	Y float64 `json:"y" expr:"y"`
}

// Box is an upright rectangle in pixels.
type Box struct {
	X      float64 `json:"x" expr:"x"`
	Y      float64 `json:"y" expr:"y"`
	Width  float64 `json:"width" expr:"width"`
	Height float64 `json:"height" expr:"height"`
}

// Affine is a 2×3 transform of pixel positions, row by row:
//
//	x' = A[0]·x + A[1]·y + A[2]
//	y' = A[3]·x + A[4]·y + A[5]
type Affine [6]float64

// Identity leaves every position where it is.
func Identity() Affine { return Affine{1, 0, 0, 0, 1, 0} }

// Scale multiplies x by sx and y by sy.
func Scale(sx, sy float64) Affine { return Affine{sx, 0, 0, 0, sy, 0} }

// Translate moves by (dx, dy).
func Translate(dx, dy float64) Affine { return Affine{1, 0, dx, 0, 1, dy} }

// Then returns the transform that does a first and b after it.
func (a Affine) Then(b Affine) Affine {
	return Affine{
		b[0]*a[0] + b[1]*a[3], b[0]*a[1] + b[1]*a[4], b[0]*a[2] + b[1]*a[5] + b[2],
		b[3]*a[0] + b[4]*a[3], b[3]*a[1] + b[4]*a[4], b[3]*a[2] + b[4]*a[5] + b[5],
	}
}

// Inverse undoes a. The inverse of a transform that flattens the picture is the
// identity.
func (a Affine) Inverse() Affine {
	det := a[0]*a[4] - a[1]*a[3]
	if det == 0 || math.IsNaN(det) {
		return Identity()
	}
	i := Affine{a[4] / det, -a[1] / det, 0, -a[3] / det, a[0] / det, 0}
	i[2] = -(i[0]*a[2] + i[1]*a[5])
	i[5] = -(i[3]*a[2] + i[4]*a[5])
	return i
}

// Point maps p.
func (a Affine) Point(p Point) Point {
	return Point{a[0]*p.X + a[1]*p.Y + a[2], a[3]*p.X + a[4]*p.Y + a[5]}
}

// Box returns the upright rectangle around b's mapped corners.
func (a Affine) Box(b Box) Box {
	p := a.Point(Point{b.X, b.Y})
	minX, maxX, minY, maxY := p.X, p.X, p.Y, p.Y
	for _, c := range []Point{{b.X + b.Width, b.Y}, {b.X, b.Y + b.Height}, {b.X + b.Width, b.Y + b.Height}} {
		p := a.Point(c)
		minX, maxX = math.Min(minX, p.X), math.Max(maxX, p.X)
		minY, maxY = math.Min(minY, p.Y), math.Max(maxY, p.Y)
	}
	return Box{minX, minY, maxX - minX, maxY - minY}
}
