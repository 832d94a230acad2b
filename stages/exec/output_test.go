package exec

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// manual is a clock that a test sets.
type manual struct{ now time.Time }

func (m *manual) Now() time.Time { return m.now }

func (m *manual) After(time.Duration) <-chan time.Time { return nil }

// A program that prints too much is told of once a second, with the number of
// its lines that the log does not have.
func TestToldOnceASecond(t *testing.T) {
	var log bytes.Buffer
	clock := &manual{time.Unix(1, 0)}
	c := &copying{output: newOutput(pipeline.Env{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Clock: clock, Metrics: pipeline.NoMetrics{},
	})}
	for range 300 { // three seconds
		c.take([]byte("la\nla\n"))
		clock.now = clock.now.Add(10 * time.Millisecond)
	}
	c.end()
	if n := strings.Count(log.String(), "program says"); n < 100 || n > 170 {
		t.Errorf("%d lines are logged", n)
	}
	if n := strings.Count(log.String(), "program prints too much"); n < 3 || n > 4 {
		t.Errorf("it is told %d times:\n%s", n, log.String())
	}
}
