package sim

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// studio is where pictures are made, one at a time.
type studio struct {
	pictures pictures
	canvas   *mat.Image

	solid    gocv.Mat // one colour in the size of the picture
	hasSolid bool
	colour   color.RGBA
}

// openStudio opens what cfg shows. Width and height that cfg leaves open are the
// clip's.
func openStudio(cfg Config) (*studio, error) {
	st := &studio{}
	width, height := 640, 480
	if cfg.Clip == "" {
		st.pictures = patterns()[cfg.Pattern]
	} else {
		c, err := openClip(cfg.Clip)
		if err != nil {
			return nil, pipeline.Invalid(fmt.Errorf("clip: %w", err))
		}
		st.pictures = c
		width, height = c.file.Size()
	}
	if cfg.Width != 0 {
		width = cfg.Width
	}
	if cfg.Height != 0 {
		height = cfg.Height
	}
	var err error
	if st.canvas, err = mat.New(encode.EvenDown(width), encode.EvenDown(height)); err != nil {
		return nil, errors.Join(err, st.pictures.Close())
	}
	return st, nil
}

// size is that of the pictures, in pixels.
func (st *studio) size() (width, height int) {
	f := st.canvas.Format()
	return f.Width, f.Height
}

// draw makes the picture at t, as commands have it, on the canvas.
func (st *studio) draw(t time.Duration, as state) error {
	if err := st.pictures.next(st.canvas, t); err != nil {
		return err
	}
	m := st.canvas.Mat()
	if as.brightness != 1 {
		if err := m.ConvertToWithParams(m, gocv.MatTypeCV8UC3, float32(as.brightness), 0); err != nil {
			return err
		}
	}
	if as.strength > 0 {
		if err := st.tint(m, as.tint, as.strength); err != nil {
			return err
		}
	}
	if as.inset != nil {
		if err := as.inset.draw(m); err != nil {
			return err
		}
	}
	if as.caption == "" {
		return nil
	}
	return drawCaption(m, as.caption, time.Since(as.said) < standsOut)
}

func (st *studio) tint(m *gocv.Mat, c color.RGBA, strength float64) error {
	if !st.hasSolid || st.colour != c {
		st.wipe()
		st.solid = gocv.NewMatWithSizeFromScalar(
			gocv.NewScalar(float64(c.B), float64(c.G), float64(c.R), 0), m.Rows(), m.Cols(), gocv.MatTypeCV8UC3)
		st.hasSolid, st.colour = true, c
	}
	return gocv.AddWeighted(*m, 1-strength, st.solid, strength, 0, m)
}

func (st *studio) wipe() {
	if st.hasSolid {
		_ = st.solid.Close() // freeing memory does not fail
		st.hasSolid = false
	}
}

// raw is the picture on the canvas as steps have it.
func (st *studio) raw() (sessiontest.StepFrame, error) {
	rgb := gocv.NewMat()
	defer rgb.Close()
	if err := gocv.CvtColor(*st.canvas.Mat(), &rgb, gocv.ColorBGRToRGB); err != nil {
		return sessiontest.StepFrame{}, err
	}
	width, height := st.size()
	return sessiontest.Picture(width, height, rgb.ToBytes()), nil
}

// Close frees everything of the studio.
func (st *studio) Close() error {
	st.wipe()
	return errors.Join(st.pictures.Close(), st.canvas.Close())
}

// drawCaption writes text in white on a dark band at the bottom, or where it
// stands out in black on a white one.
func drawCaption(m *gocv.Mat, text string, outstanding bool) error {
	ink, paper := color.RGBA{R: 255, G: 255, B: 255, A: 255}, color.RGBA{A: 255}
	if outstanding {
		ink, paper = paper, ink
	}
	const font, thickness = gocv.FontHersheySimplex, 1
	scale := max(0.4, float64(m.Rows())/900)
	size := gocv.GetTextSize(text, font, scale, thickness)
	margin := max(4, size.Y/2)
	band := image.Rect(0, m.Rows()-size.Y-2*margin, m.Cols(), m.Rows())
	if err := gocv.Rectangle(m, band, paper, -1); err != nil {
		return err
	}
	return gocv.PutText(m, text, image.Pt(margin, m.Rows()-margin), font, scale, ink, thickness)
}
