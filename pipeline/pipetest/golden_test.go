package pipetest

import (
	"image"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestGolden(t *testing.T) {
	for _, layout := range []pipeline.Layout{pipeline.BGR24, pipeline.RGB24, pipeline.I420, pipeline.NV12} {
		if *update && layout != pipeline.BGR24 {
			continue
		}
		f := NewFrame(t, pipeline.Format{Layout: layout, Width: 33, Height: 17})
		tolerance := 0
		if layout == pipeline.I420 || layout == pipeline.NV12 {
			tolerance = 45 // the square's edge: a chroma sample is shared by four pixels
		}
		Golden(t, "picture", f, tolerance)
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

func TestDifference(t *testing.T) {
	a, b := image.NewNRGBA(image.Rect(0, 0, 3, 2)), image.NewNRGBA(image.Rect(0, 0, 3, 2))
	b.Pix[1*b.Stride+2*4+1] = 30
	if off, at := difference(a, b); off != 30 || at != image.Pt(2, 1) {
		t.Errorf("off by %d at %v", off, at)
	}
	if off, _ := difference(a, image.NewNRGBA(image.Rect(0, 0, 2, 2))); off <= 255 {
		t.Error("pictures of different sizes are alike")
	}
}

func TestConversionsAgree(t *testing.T) {
	for _, layout := range []pipeline.Layout{pipeline.I420, pipeline.NV12, pipeline.BGR24, pipeline.RGB24} {
		p := NewPicture(t, pipeline.Format{Layout: layout, Width: 5, Height: 3})
		got := surface{format: p.format, data: p.data}.gray(0, 0)
		if want := (colour{r: 40, g: 60, b: 150}).luma(); abs(int(got)-int(want)) > 2 {
			t.Errorf("%s: luma %d, want %d", layout, got, want)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
