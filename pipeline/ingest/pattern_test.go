package ingest

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

func drawing(t *testing.T, change func(*PatternConfig)) pipeline.Source {
	t.Helper()
	cfg := defaultPattern()
	cfg.Width, cfg.Height = 320, 180
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := NewPattern(environment("", &pipetest.Log{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	return s
}

// numberIn reads the squares along the top edge.
func numberIn(t *testing.T, m *gocv.Mat) uint64 {
	t.Helper()
	side := m.Cols() / numberBits
	var n uint64
	for bit := range numberBits {
		if m.GetVecbAt(2, bit*side+side/2)[0] > 128 {
			n |= 1 << bit
		}
	}
	return n
}

func TestPattern(t *testing.T) {
	for _, pattern := range patterns() {
		s := drawing(t, func(c *PatternConfig) { c.Pattern, c.Frames, c.Realtime, c.FPS = pattern, 40, false, 25 })
		if s.Live() {
			t.Error("what is not in real time waits")
		}
		var last float64
		for n := range uint64(40) {
			f, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			m, err := mat.View(f)
			if err != nil {
				t.Fatal(err)
			}
			if got := numberIn(t, m); got != n || f.Seq != n || f.PTS != time.Duration(n)*40*time.Millisecond || f.Width != 320 || m.Rows() != 180 {
				t.Errorf("%s: frame %d has the number %d: %+v", pattern, n, got, f.Meta)
			}
			sum := m.Sum()
			if sum.Val1 == last {
				t.Errorf("%s: frame %d looks like the one before", pattern, n)
			}
			last = sum.Val1
			if err := f.Release(); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.Read(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the last: %v", err)
		}
		if c := s.(pipeline.CountingSource).Counts(); c.Decoded != 40 {
			t.Errorf("counts %+v", c)
		}
	}
}

func TestPatternInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := drawing(t, func(*PatternConfig) {})
		begun := time.Now()
		for n := range 31 {
			f, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begun); got != f.PTS || !f.Arrival.Equal(time.Now()) {
				t.Errorf("frame %d came after %v, due at %v", n, got, f.PTS)
			}
			if err := f.Release(); err != nil {
				t.Error(err)
			}
		}
		if !s.Live() || time.Since(begun) != time.Second {
			t.Errorf("31 frames took %v", time.Since(begun))
		}
	})
}

func TestPatternConfig(t *testing.T) {
	cfg := PatternConfig{Pattern: "snow", Width: 8, Height: 9000, FPS: -1}
	const want = `pattern: must be bars, ramp or noise, got "snow"
width: must be 16 to 8192, got 8
height: must be 16 to 8192, got 9000
fps: must be over 0 and at most 1000, got -1`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
