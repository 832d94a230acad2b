package ingest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"slices"
	"strconv"
	"sync/atomic"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// PatternConfig is the source that draws a test picture: something to build a
// pipeline on before there is a model or a camera. The number of the frame stands
// in the middle and, for programs, along the top edge: in 16 squares that are a
// sixteenth of the width wide, the lowest bit first, white for 1. A white bar goes
// across once in a second, so that a picture that stands is seen to.
type PatternConfig struct {
	// Pattern is what is behind the number: bars of colour, a ramp from black to
	// white, or noise, which differs from frame to frame and no encoder likes.
	Pattern string `yaml:"pattern" oneof:"bars,ramp,noise"`
	// Width of the picture in pixels.
	Width int `yaml:"width"`
	// Height of the picture in pixels.
	Height int `yaml:"height"`
	// FPS is the number of frames a second.
	FPS float64 `yaml:"fps"`
	// Frames is how many come before the source ends; 0 is no end.
	Frames uint64 `yaml:"frames"`
	// Realtime draws frames when they are due, as a live source that does not
	// wait. Otherwise every frame is drawn, as fast as the graph takes them.
	Realtime bool `yaml:"realtime"`
}

func defaultPattern() PatternConfig {
	return PatternConfig{Pattern: "bars", Width: 1280, Height: 720, FPS: 30, Realtime: true}
}

func patterns() []string { return []string{"bars", "ramp", "noise"} }

// Validate reports every field that is wrong.
func (c *PatternConfig) Validate() error {
	var errs []error
	if !slices.Contains(patterns(), c.Pattern) {
		errs = append(errs, fmt.Errorf("pattern: must be bars, ramp or noise, got %q", c.Pattern))
	}
	return errors.Join(append(errs, checkSize(c.Width, c.Height), checkFPS(c.FPS))...)
}

// patternSource draws a test picture.
type patternSource struct {
	env    pipeline.Env
	cfg    PatternConfig
	behind *mat.Image
	pace   pace
	drawn  atomic.Uint64
	closed bool
}

var (
	_ pipeline.Source         = (*patternSource)(nil)
	_ pipeline.CountingSource = (*patternSource)(nil)
)

// NewPattern returns a source that draws.
func NewPattern(env pipeline.Env, cfg PatternConfig) (pipeline.Source, error) {
	behind, err := mat.New(cfg.Width, cfg.Height)
	if err != nil {
		return nil, err
	}
	if err := backdrop(behind, cfg.Pattern); err != nil {
		return nil, errors.Join(err, behind.Close())
	}
	return &patternSource{env: env, cfg: cfg, behind: behind, pace: pace{clock: env.Clock}}, nil
}

// Read draws the next frame; with realtime, when it is due.
func (s *patternSource) Read(ctx context.Context) (*pipeline.Frame, error) {
	n := s.drawn.Load()
	switch {
	case s.closed:
		return nil, errClosed
	case s.cfg.Frames > 0 && n == s.cfg.Frames:
		return nil, io.EOF
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	pts := frameAt(n, s.cfg.FPS)
	if s.cfg.Realtime {
		if err := s.pace.await(ctx, pts); err != nil {
			return nil, err
		}
	}
	img, err := s.draw(n)
	if err != nil {
		return nil, err
	}
	s.drawn.Add(1)
	now := s.env.Clock.Now()
	return pipeline.NewFrame(pipeline.Meta{
		Stream: s.env.Name, Seq: n, PTS: pts, Arrival: now, SenderTime: now,
		Width: s.cfg.Width, Height: s.cfg.Height, Keyframe: true,
	}, img), nil
}

func (s *patternSource) draw(n uint64) (*mat.Image, error) {
	img, err := mat.From(s.behind.Mat())
	if err != nil {
		return nil, err
	}
	m := img.Mat()
	if s.cfg.Pattern == "noise" {
		mat.Noise(m, int32(n)) //nolint:gosec // it may wrap
	}
	err = errors.Join(s.drawBar(m, n), s.drawBits(m, n), s.drawNumber(m, n))
	if err != nil {
		return nil, errors.Join(err, img.Close())
	}
	return img, nil
}

// drawBar draws what moves.
func (s *patternSource) drawBar(m *gocv.Mat, n uint64) error {
	_, second := splitSecond(n, s.cfg.FPS)
	width := max(2, s.cfg.Width/64)
	left := int(second * float64(s.cfg.Width))
	return gocv.Rectangle(m, image.Rect(left, s.cfg.Height*3/4, left+width, s.cfg.Height), white(), -1)
}

// splitSecond is the second that a frame is in, and how far.
func splitSecond(n uint64, fps float64) (whole uint64, part float64) {
	at := float64(n) / fps
	whole = uint64(at)
	return whole, at - float64(whole)
}

// numberBits is how many bits of the number are drawn.
const numberBits = 16

func (s *patternSource) drawBits(m *gocv.Mat, n uint64) error {
	side := s.cfg.Width / numberBits
	height := min(side, s.cfg.Height/8)
	for bit := range numberBits {
		c := color.RGBA{}
		if n>>bit&1 == 1 {
			c = white()
		}
		if err := gocv.Rectangle(m, image.Rect(bit*side, 0, (bit+1)*side, height), c, -1); err != nil {
			return err
		}
	}
	return nil
}

func (s *patternSource) drawNumber(m *gocv.Mat, n uint64) error {
	const thickness = 60 // parts of the picture's height
	text := strconv.FormatUint(n, 10)
	scale := float64(s.cfg.Height) / 120
	line := max(1, s.cfg.Height/thickness)
	size := gocv.GetTextSize(text, gocv.FontHersheySimplex, scale, line)
	at := image.Pt((s.cfg.Width-size.X)/2, (s.cfg.Height+size.Y)/2)
	if err := gocv.PutText(m, text, at, gocv.FontHersheySimplex, scale, color.RGBA{}, 3*line); err != nil {
		return err
	}
	return gocv.PutText(m, text, at, gocv.FontHersheySimplex, scale, white(), line)
}

func white() color.RGBA { return color.RGBA{R: 255, G: 255, B: 255} }

// backdrop draws what stays.
func backdrop(img *mat.Image, pattern string) error {
	m := img.Mat()
	width, height := m.Cols(), m.Rows()
	column := func(x int, c color.RGBA) error {
		return gocv.Rectangle(m, image.Rect(x, 0, x+1, height), c, -1)
	}
	switch pattern {
	case "noise": // another with each frame
		return nil
	case "ramp":
		for x := range width {
			shade := uint8(255 * x / max(1, width-1)) //nolint:gosec // at most 255
			if err := column(x, color.RGBA{R: shade, G: shade, B: shade}); err != nil {
				return err
			}
		}
		return nil
	}
	for x := range width {
		if err := column(x, barColour(8*x/width)); err != nil {
			return err
		}
	}
	return nil
}

// barColour is that of SMPTE's bars, white at the left and black at the right.
func barColour(bar int) color.RGBA {
	level := func(off int) uint8 {
		if off != 0 {
			return 0
		}
		return 191 // 75 %
	}
	return color.RGBA{G: level(bar & 4), R: level(bar & 2), B: level(bar & 1)}
}

// Live says whether frames are drawn when they are due.
func (s *patternSource) Live() bool { return s.cfg.Realtime }

// Counts returns how many frames were drawn.
func (s *patternSource) Counts() pipeline.SourceCounts {
	n := s.drawn.Load()
	return pipeline.SourceCounts{Received: n, Decoded: n}
}

// Close frees what is behind the number. Nobody may be in Read; later ones fail.
func (s *patternSource) Close() error {
	s.closed = true
	return s.behind.Close()
}
