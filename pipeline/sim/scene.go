package sim

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"strings"
	"sync"
	"time"
)

// scene is what commands have made of the picture. It is changed by whoever
// handles commands and looked at by whoever makes pictures.
type scene struct {
	mu      sync.Mutex // guards what follows
	state   state
	pending []change // in the order of commands
	effects int      // of commands, so far
}

// change is the effect of a command and when it is to be seen.
type change struct {
	due   time.Time
	apply func(*state)
}

// state is what a model's commands set.
type state struct {
	caption    string
	said       time.Time // when a prompt made it the caption; zero if none did
	brightness float64   // 0 to 2; 1 leaves the picture as it is
	tint       color.RGBA
	strength   float64 // of the tint, 0 to 1
	inset      *inset  // nil without one
	effects    int     // of commands, in this picture and those before
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
	at := time.Now()
	for len(s.pending) > 0 && !s.pending[0].due.After(at) {
		s.pending[0].apply(&s.state)
		s.pending = s.pending[1:]
		s.effects++
	}
	now := s.state
	now.effects = s.effects
	return now
}

// imagine sets the picture's mood by a prompt: words that stand for light and
// weather have colours of their own, any other text has one that depends on it.
func (st *state) imagine(prompt string) {
	st.caption, st.said = prompt, time.Now()
	st.tint, st.strength = moodOf(prompt), moodStrength
	if prompt == "" {
		st.strength = 0
	}
}

// standsOut is how long the caption of a new prompt does: long enough to be noticed
// by people, and by who looks for the effect of the prompt.
const standsOut = time.Second

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
