package peopledetect

import (
	"cmp"
	"math"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/cv"
)

// score maps the distance from the detector's decision line, which has no upper
// end, to 0 to 1: 0.5 is 0.39, 1 is 0.63, 2 is 0.86.
func score(weight float64) float64 { return 1 - math.Exp(-weight) }

// weight is the inverse of score.
func weight(score float64) float64 { return -math.Log(1 - score) }

// detections returns what was found in a picture from which up leads to the
// frame. The detector's window has a margin around the person; the box has less.
func detections(found []cv.Found, up pipeline.Affine) []pipeline.Detection {
	ds := make([]pipeline.Detection, len(found))
	for i, f := range found {
		w, h := float64(f.Box.Dx()), float64(f.Box.Dy())
		ds[i] = pipeline.Detection{Label: "person", Score: score(f.Weight), Box: up.Box(pipeline.Box{
			X: float64(f.Box.Min.X) + 0.15*w, Y: float64(f.Box.Min.Y) + 0.08*h, Width: 0.7 * w, Height: 0.84 * h,
		})}
	}
	return ds
}

// suppress sorts ds by score and leaves out those that overlap with a better one
// by more than limit.
func suppress(ds []pipeline.Detection, limit float64) []pipeline.Detection {
	slices.SortStableFunc(ds, func(a, b pipeline.Detection) int { return cmp.Compare(b.Score, a.Score) })
	kept := ds[:0]
	for _, d := range ds {
		covered := func(k pipeline.Detection) bool { return overlap(k.Box, d.Box) > limit }
		if !slices.ContainsFunc(kept, covered) {
			kept = append(kept, d)
		}
	}
	return kept
}

// overlap returns how much of the smaller box lies in the other, 0 to 1.
func overlap(a, b pipeline.Box) float64 {
	w := min(a.X+a.Width, b.X+b.Width) - max(a.X, b.X)
	h := min(a.Y+a.Height, b.Y+b.Height) - max(a.Y, b.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / min(a.Width*a.Height, b.Width*b.Height)
}
