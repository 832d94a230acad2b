package mat_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// BenchmarkEdit is one edit of a BGR picture of 720p: in place by the sole
// holder, or with the copy that a share costs.
func BenchmarkEdit(b *testing.B) {
	b.Run("sole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := picture720(b)
			edit(b, f)
			f.Release()
		}
	})
	b.Run("shared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := picture720(b)
			s := f.Share()
			edit(b, s)
			s.Release()
			f.Release()
		}
	})
}

func BenchmarkConvert(b *testing.B) {
	f := picture720(b)
	defer f.Release()
	tests := []struct {
		name string
		to   pipeline.Format
	}{
		{"i420", pipeline.Format{Layout: pipeline.I420, Width: 1280, Height: 720}},
		{"i420_scaled", pipeline.Format{Layout: pipeline.I420, Width: 640, Height: 360}},
		{"gray", pipeline.Format{Layout: pipeline.Gray8, Width: 1280, Height: 720}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			out, err := mat.New(1280, 720)
			if err != nil {
				b.Fatal(err)
			}
			defer out.Close()
			p, _ := out.Plane(0)
			for b.Loop() {
				if err := f.Image().(pipeline.Converter).ConvertTo(p, tt.to.Width, tt.to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func picture720(b *testing.B) *pipeline.Frame {
	b.Helper()
	img, err := mat.New(1280, 720)
	if err != nil {
		b.Fatal(err)
	}
	return pipeline.NewFrame(pipeline.Meta{}, img)
}

func edit(b *testing.B, f *pipeline.Frame) {
	b.Helper()
	m, err := mat.Edit(f)
	if err != nil {
		b.Fatal(err)
	}
	m.SetUCharAt(0, 0, 1)
}
