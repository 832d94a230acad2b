package mat_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	_ "image/jpeg" // what stills are
	_ "image/png"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// halves is black on the left, and of a colour on the right.
func halves(t *testing.T, width, height int, right color.RGBA) *pipeline.Frame {
	t.Helper()
	img, err := mat.New(width, height)
	if err != nil {
		t.Fatal(err)
	}
	m := img.Mat()
	m.SetTo(gocv.NewScalar(0, 0, 0, 0))
	if err := gocv.Rectangle(m, image.Rect(width/2, 0, width, height), right, -1); err != nil {
		t.Fatal(err)
	}
	return frame(t, img)
}

func TestStill(t *testing.T) {
	red := color.RGBA{R: 255, A: 255}
	crop := func(x, y, w, h float64) pipeline.Still {
		return pipeline.Still{Crop: pipeline.Box{X: x, Y: y, Width: w, Height: h}, Quality: 90}
	}
	png := crop(40, 0, 8, 8)
	png.PNG = true
	tests := []struct {
		name          string
		still         pipeline.Still
		format        string
		width, height int
		left          color.RGBA // of the file's first pixel
	}{
		{"whole", pipeline.Still{Whole: true, Quality: 90}, "jpeg", 64, 48, color.RGBA{A: 255}},
		{"the right half", crop(32, 0, 32, 48), "jpeg", 32, 48, red},
		{"clipped", crop(-10, -10, 20, 30), "jpeg", 10, 20, color.RGBA{A: 255}},
		{"png", png, "png", 8, 8, red},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := mat.Still(halves(t, 64, 48, red), tt.still)
			if err != nil {
				t.Fatal(err)
			}
			got, format, err := image.Decode(bytes.NewReader(u.Content))
			if err != nil {
				t.Fatal(err)
			}
			if size := got.Bounds().Size(); size != image.Pt(tt.width, tt.height) || format != tt.format || u.MIMEType != "image/"+tt.format {
				t.Errorf("%v, %s, %s; want %d×%d, %s", size, format, u.MIMEType, tt.width, tt.height, tt.format)
			}
			r, g, b, _ := got.At(0, 0).RGBA()
			if far(r>>8, tt.left.R) || far(g>>8, tt.left.G) || far(b>>8, tt.left.B) {
				t.Errorf("first pixel %d %d %d, want %v", r>>8, g>>8, b>>8, tt.left)
			}
		})
	}
	t.Run("one pixel", func(t *testing.T) {
		u, err := mat.Still(halves(t, 1, 1, red), crop(0.4, 0.4, 0.1, 0.1))
		if err != nil || len(u.Content) == 0 {
			t.Errorf("%d bytes, %v", len(u.Content), err)
		}
	})
	t.Run("outside", func(t *testing.T) {
		if _, err := mat.Still(halves(t, 64, 48, red), crop(64, 48, 5, 5)); !errors.Is(err, pipeline.ErrEmptyCrop) {
			t.Errorf("got %v, want %v", err, pipeline.ErrEmptyCrop)
		}
	})
	t.Run("no pixels", func(t *testing.T) {
		if _, err := mat.Still(pipeline.NewFrame(pipeline.Meta{}, nil), crop(0, 0, 5, 5)); !errors.Is(err, pipeline.ErrNoPixels) {
			t.Errorf("got %v, want %v", err, pipeline.ErrNoPixels)
		}
	})
}

// far allows for what JPEG does to colours.
func far(got uint32, want uint8) bool { return got > uint32(want)+12 || got+12 < uint32(want) }
