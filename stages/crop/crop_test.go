package crop_test

import (
	"image"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/crop"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: crop.Register, Kind: "crop", Config: config, Live: mat.Live}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("{x: 3, y: 5, width: 20}")) }

func TestCrop(t *testing.T) {
	tests := []struct {
		name   string
		config string
		want   image.Rectangle // of the old picture
	}{
		{"a rectangle", "{x: 10, y: 5, width: 20, height: 30}", image.Rect(10, 5, 30, 35)},
		{"to the edges", "{x: 10, y: 5}", image.Rect(10, 5, 64, 48)},
		{"over the edges", "{x: 60, y: 40, width: 20, height: 30}", image.Rect(60, 40, 64, 48)},
		{"all", "{}", image.Rect(0, 0, 64, 48)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 64, Height: 48})
			defer f.Release()
			pixel := pixelAt(t, f, tt.want.Min)
			if err := pipetest.NewStage(t, kind(tt.config)).Process(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			m, err := mat.View(f)
			if err != nil {
				t.Fatal(err)
			}
			if got := image.Pt(m.Cols(), m.Rows()); got != tt.want.Size() {
				t.Errorf("size is %v, want %v", got, tt.want.Size())
			}
			if got := pixelAt(t, f, image.Pt(0, 0)); got != pixel {
				t.Errorf("first pixel is %v, want %v", got, pixel)
			}
			corner := f.Geometry().Point(pipeline.Point{X: float64(tt.want.Min.X), Y: float64(tt.want.Min.Y)})
			if corner != (pipeline.Point{}) {
				t.Errorf("the corner is mapped to %v, want 0,0", corner)
			}
		})
	}
}

func TestOutside(t *testing.T) {
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 64, Height: 48})
	defer f.Release()
	err := pipetest.NewStage(t, kind("{x: 64, y: 5}")).Process(t.Context(), f)
	if want := "the rectangle at 64,5 lies outside of the picture of 64x48"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		cfg  crop.Config
		want string
	}{
		{crop.Config{}, ""},
		{crop.Config{X: -1}, "x, y: must not be negative, got -1, 0"},
		{crop.Config{Width: 4, Height: -1}, "width, height: must be positive, or 0 to reach to the edge, got 4x-1"},
	}
	for _, tt := range tests {
		if got := message(tt.cfg.Validate()); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.cfg, got, tt.want)
		}
	}
}

func pixelAt(t *testing.T, f *pipeline.Frame, p image.Point) [3]uint8 {
	t.Helper()
	m, err := mat.View(f)
	if err != nil {
		t.Fatal(err)
	}
	return [3]uint8(m.GetVecbAt(p.Y, p.X))
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
