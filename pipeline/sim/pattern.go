package sim

import (
	"fmt"
	"image"
	"image/color"
	"maps"
	"math"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// defaultPattern is what a model without a clip shows.
const defaultPattern = "bars"

// patterns are the test pictures, by their names.
func patterns() map[string]pattern {
	return map[string]pattern{defaultPattern: bars, "noise": noise, "ramp": ramp, "gray": gray}
}

// Patterns are the names of the test pictures: bars with a ball that goes
// round, noise of which no two pictures are alike, a ramp of gray that moves, and
// a gray that stands still.
func Patterns() []string { return slices.Sorted(maps.Keys(patterns())) }

// pattern draws the test picture at t.
type pattern func(m *gocv.Mat, t time.Duration) error

func (p pattern) next(img *mat.Image, t time.Duration) error { return p(img.Mat(), t) }

func (pattern) Close() error { return nil }

func bars(m *gocv.Mat, t time.Duration) error {
	w, h := m.Cols(), m.Rows()
	const bars = 8
	for i := range bars {
		c := color.RGBA{R: uint8(255 * (i & 1)), G: uint8(255 * (i >> 1 & 1)), B: uint8(255 * (i >> 2 & 1)), A: 255} //nolint:gosec // 0 or 255
		if err := gocv.Rectangle(m, image.Rect(i*w/bars, 0, (i+1)*w/bars, h), c, -1); err != nil {
			return err
		}
	}
	angle := 2 * math.Pi * t.Seconds() / 4
	at := image.Pt(w/2+int(float64(w)/3*math.Cos(angle)), h/2+int(float64(h)/3*math.Sin(angle)))
	if err := gocv.Circle(m, at, h/10, color.RGBA{R: 255, G: 255, B: 255, A: 255}, -1); err != nil {
		return err
	}
	return gocv.PutText(m, fmt.Sprintf("%.1f s", t.Seconds()), image.Pt(10, h/8), gocv.FontHersheySimplex, float64(h)/400, color.RGBA{A: 255}, 2)
}

func noise(m *gocv.Mat, t time.Duration) error {
	mat.Noise(m, int32(t.Microseconds())) //nolint:gosec // it may wrap
	return nil
}

// ramp goes from black to white in columns, and moves by its width in four
// seconds.
func ramp(m *gocv.Mat, t time.Duration) error {
	w, h := m.Cols(), m.Rows()
	const steps, round = 32, 4 * time.Second
	shift := int(t % round * time.Duration(w) / round)
	for i := range steps {
		v := uint8(255 * i / (steps - 1)) //nolint:gosec // 0 to 255
		left, right := i*w/steps+shift, (i+1)*w/steps+shift
		for _, wrapped := range []int{0, w} {
			if err := gocv.Rectangle(m, image.Rect(left-wrapped, 0, right-wrapped, h), color.RGBA{R: v, G: v, B: v, A: 255}, -1); err != nil {
				return err
			}
		}
	}
	return nil
}

func gray(m *gocv.Mat, _ time.Duration) error {
	const middle = 128
	m.SetTo(gocv.NewScalar(middle, middle, middle, 0))
	return nil
}
