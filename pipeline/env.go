package pipeline

import (
	"log/slog"
	"path/filepath"
	"time"
)

// Env is what a node is given besides its configuration.
type Env struct {
	// Name of the node in the pipeline.
	Name string
	// Log carries pipeline and node already.
	Log *slog.Logger
	// Clock is where all time comes from.
	Clock Clock
	// Metrics is for the node's own counters; the graph counts frames, drops
	// and times by itself.
	Metrics Metrics
	// Session is the one that the node names, or the pipeline's only one; nil
	// without any.
	Session Session
	// LastMessage returns what the named message source yielded last; false
	// before its first. It is nil where there are no message sources.
	LastMessage func(source string) (Message, bool)
	// Still makes a file of a frame's picture; the error is ErrEmptyCrop where
	// nothing of the picture is in it. It is nil where nobody can.
	Still func(f *Frame, s Still) (Upload, error)
	// Sent are the frames that the pipeline sent to models; nil remembers none.
	Sent *Sent
	// Audio says that a sink gets the sound of a source.
	Audio bool
	// Dir is the folder of the pipeline's file.
	Dir string
}

// ReadPath returns where a file that the pipeline names for reading lies:
// relative to the pipeline's own file.
func (e Env) ReadPath(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Dir, path)
}

// Clock tells the time.
type Clock interface {
	Now() time.Time
	// After returns a channel that gets the time once d is over.
	After(d time.Duration) <-chan time.Time
}

// SystemClock is the real time.
type SystemClock struct{}

// Now returns time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// After returns time.After.
func (SystemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Metrics makes a node's own metrics. Names are lower_snake_case with base
// units ("bytes_total", "delay_seconds").
type Metrics interface {
	// Counter returns a function that adds to a counter.
	Counter(name, help string) func(delta float64)
	// Gauge returns a function that sets a gauge.
	Gauge(name, help string) func(value float64)
}

// NoMetrics counts nothing.
type NoMetrics struct{}

// Counter returns a function that does nothing.
func (NoMetrics) Counter(string, string) func(float64) { return func(float64) {} }

// Gauge returns a function that does nothing.
func (NoMetrics) Gauge(string, string) func(float64) { return func(float64) {} }
