package motion

import (
	"errors"
	"image"

	"gocv.io/x/gocv"
)

// areas finds connected pixels.
type areas struct {
	labels, stats, centroids gocv.Mat
}

func newAreas() areas { return areas{gocv.NewMat(), gocv.NewMat(), gocv.NewMat()} }

// find returns the boxes around the connected areas of m that are not zero.
func (a *areas) find(m gocv.Mat) []image.Rectangle {
	n := gocv.ConnectedComponentsWithStats(m, &a.labels, &a.stats, &a.centroids)
	var boxes []image.Rectangle
	for i := 1; i < n; i++ { // 0 is what is zero
		x, y := a.stat(i, gocv.CC_STAT_LEFT), a.stat(i, gocv.CC_STAT_TOP)
		boxes = append(boxes, image.Rect(x, y, x+a.stat(i, gocv.CC_STAT_WIDTH), y+a.stat(i, gocv.CC_STAT_HEIGHT)))
	}
	return boxes
}

func (a *areas) stat(area int, what gocv.ConnectedComponentsTypes) int {
	return int(a.stats.GetIntAt(area, int(what)))
}

// Close frees what find works with.
func (a *areas) Close() error {
	return errors.Join(a.labels.Close(), a.stats.Close(), a.centroids.Close())
}
