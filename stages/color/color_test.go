package color_test

import (
	"math"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/stages/color"
)

func kind(config string) pipetest.Case {
	return pipetest.Case{Register: color.Register, Kind: "color", Config: config, Live: mat.Live}
}

func TestContract(t *testing.T) { pipetest.Stage(t, kind("saturation: 0.5")) }

func TestColor(t *testing.T) {
	tests := []struct {
		name   string
		config string
		from   [3]uint8 // B, G, R
		want   [3]uint8
	}{
		{"nothing", "{}", [3]uint8{10, 100, 200}, [3]uint8{10, 100, 200}},
		{"brighter", "brightness: 0.2", [3]uint8{10, 100, 230}, [3]uint8{61, 151, 255}},
		{"black", "brightness: -1", [3]uint8{10, 100, 255}, [3]uint8{0, 0, 0}},
		{"flatter", "contrast: 0.5", [3]uint8{0, 127, 255}, [3]uint8{64, 127, 191}},
		{"harder", "contrast: 2", [3]uint8{0, 100, 255}, [3]uint8{0, 73, 255}},
		{"gray", "saturation: 0", [3]uint8{0, 0, 255}, [3]uint8{76, 76, 76}},
		{"warm", `tint: "#ff8000"`, [3]uint8{200, 200, 200}, [3]uint8{0, 100, 200}},
		{"gray and warm", `{saturation: 0, tint: "#ff8000"}`, [3]uint8{0, 255, 0}, [3]uint8{0, 75, 150}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := plain(t, tt.from)
			defer f.Release()
			stage := pipetest.NewStage(t, kind(tt.config))
			defer stage.(*color.Color).Close()
			if err := stage.Process(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			m, err := mat.View(f)
			if err != nil {
				t.Fatal(err)
			}
			got := [3]uint8(m.GetVecbAt(6, 40))
			for i := range got {
				if math.Abs(float64(got[i])-float64(tt.want[i])) > 1 {
					t.Fatalf("pixels are %v, want %v", got, tt.want)
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*color.Config)
		want   string
	}{
		{"default", func(*color.Config) {}, ""},
		{"too bright", func(c *color.Config) { c.Brightness = 1.5 }, "brightness: must be from -1 to 1, got 1.5"},
		{"no number", func(c *color.Config) { c.Brightness = math.NaN() }, "brightness: must be from -1 to 1, got NaN"},
		{"negative", func(c *color.Config) { c.Contrast = -1 }, "contrast: must be from 0 to 10, got -1"},
		{"gaudy", func(c *color.Config) { c.Saturation = 11 }, "saturation: must be from 0 to 10, got 11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := color.Default()
			tt.change(&cfg)
			if got := message(cfg.Validate()); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// plain returns a picture of one colour.
func plain(t *testing.T, bgr [3]uint8) *pipeline.Frame {
	t.Helper()
	s := gocv.NewScalar(float64(bgr[0]), float64(bgr[1]), float64(bgr[2]), 0)
	m := gocv.NewMatWithSizeFromScalar(s, 7, 41, gocv.MatTypeCV8UC3)
	defer m.Close()
	img, err := mat.From(&m)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.NewFrame(pipeline.Meta{}, img)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
