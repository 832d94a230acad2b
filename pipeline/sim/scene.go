package sim

import (
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"strings"
	"sync"
	"time"

	"gocv.io/x/gocv"
)

// scene is what commands have made of the picture. It is changed by whoever
// handles commands and drawn by whoever makes pictures.
type scene struct {
	mu      sync.Mutex // guards state and pending
	state   state
	pending []change // in the order of commands

	solid    gocv.Mat // one colour in the size of the picture
	hasSolid bool
	colour   color.RGBA
}

// change is the effect of a command and when it is to be seen.
type change struct {
	due   time.Time
	apply func(*state)
}

// state is what a model's commands set.
type state struct {
	caption    string
	brightness float64 // 0 to 2; 1 leaves the picture as it is
	tint       color.RGBA
	strength   float64 // of the tint, 0 to 1
}

func newScene() *scene { return &scene{state: state{brightness: 1}} }

// change has apply change the state after delay.
func (s *scene) change(delay time.Duration, apply func(*state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, change{time.Now().Add(delay), apply})
}

// now returns the state with all changes that are due.
func (s *scene) now() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.pending) > 0 && !s.pending[0].due.After(now) {
		s.pending[0].apply(&s.state)
		s.pending = s.pending[1:]
	}
	return s.state
}

// draw changes a BGR picture as the state says.
func (s *scene) draw(m *gocv.Mat) error {
	now := s.now()
	if now.brightness != 1 {
		if err := m.ConvertToWithParams(m, gocv.MatTypeCV8UC3, float32(now.brightness), 0); err != nil {
			return err
		}
	}
	if now.strength > 0 {
		if err := s.tint(m, now.tint, now.strength); err != nil {
			return err
		}
	}
	if now.caption == "" {
		return nil
	}
	return drawCaption(m, now.caption)
}

func (s *scene) tint(m *gocv.Mat, c color.RGBA, strength float64) error {
	if !s.hasSolid || s.colour != c || s.solid.Rows() != m.Rows() || s.solid.Cols() != m.Cols() {
		s.close()
		s.solid = gocv.NewMatWithSizeFromScalar(
			gocv.NewScalar(float64(c.B), float64(c.G), float64(c.R), 0), m.Rows(), m.Cols(), gocv.MatTypeCV8UC3)
		s.hasSolid, s.colour = true, c
	}
	return gocv.AddWeighted(*m, 1-strength, s.solid, strength, 0, m)
}

func (s *scene) close() {
	if s.hasSolid {
		_ = s.solid.Close() // freeing memory does not fail
		s.hasSolid = false
	}
}

// drawCaption writes text in white on a dark band at the bottom.
func drawCaption(m *gocv.Mat, text string) error {
	const font, thickness = gocv.FontHersheySimplex, 1
	scale := max(0.4, float64(m.Rows())/900)
	size := gocv.GetTextSize(text, font, scale, thickness)
	margin := max(4, size.Y/2)
	band := image.Rect(0, m.Rows()-size.Y-2*margin, m.Cols(), m.Rows())
	if err := gocv.Rectangle(m, band, color.RGBA{A: 255}, -1); err != nil {
		return err
	}
	return gocv.PutText(m, text, image.Pt(margin, m.Rows()-margin), font, scale, color.RGBA{R: 255, G: 255, B: 255, A: 255}, thickness)
}

// imagine sets the picture's mood by a prompt: words that stand for light and
// weather have colours of their own, any other text has one that depends on it.
func (st *state) imagine(prompt string) {
	st.caption = prompt
	st.tint, st.strength = moodOf(prompt), moodStrength
	if prompt == "" {
		st.strength = 0
	}
}

// moodStrength is visible at a glance, and people are still found in it.
const moodStrength = 0.3

func moodOf(prompt string) color.RGBA {
	moods := []struct {
		word   string
		colour color.RGBA
	}{
		{"night", color.RGBA{R: 10, G: 15, B: 60}},
		{"dusk", color.RGBA{R: 190, G: 80, B: 40}},
		{"dawn", color.RGBA{R: 230, G: 130, B: 120}},
		{"sunset", color.RGBA{R: 240, G: 100, B: 30}},
		{"rain", color.RGBA{R: 70, G: 90, B: 110}},
		{"snow", color.RGBA{R: 235, G: 240, B: 250}},
		{"fog", color.RGBA{R: 180, G: 180, B: 185}},
		{"forest", color.RGBA{R: 30, G: 110, B: 40}},
	}
	lower := strings.ToLower(prompt)
	for _, m := range moods {
		if strings.Contains(lower, m.word) {
			return m.colour
		}
	}
	h := fnv.New32a()
	fmt.Fprint(h, lower)
	n := h.Sum32()
	return color.RGBA{R: uint8(n), G: uint8(n >> 8), B: uint8(n >> 16)} //nolint:gosec // any three bytes of it
}
