package pipetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Log is what was logged so far, to be read while more is written. The zero value
// is ready.
type Log struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Counters are a node's metrics: what it counted. The zero value is ready.
type Counters struct {
	mu      sync.Mutex // guards what follows
	totals  map[string]float64
	changed chan struct{} // closed and made anew with each change
}

var _ pipeline.Metrics = (*Counters)(nil)

// Counter returns a function that adds to a counter.
func (c *Counters) Counter(name, _ string) func(float64) {
	return func(delta float64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.totals == nil {
			c.totals = make(map[string]float64)
		}
		c.totals[name] += delta
		if c.changed != nil {
			close(c.changed)
			c.changed = nil
		}
	}
}

// Gauge returns a function that does nothing.
func (c *Counters) Gauge(string, string) func(float64) { return func(float64) {} }

// Get returns what a counter has come to.
func (c *Counters) Get(name string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals[name]
}

// All returns the counters that are not zero.
func (c *Counters) All() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]float64)
	for name, n := range c.totals {
		if n != 0 {
			all[name] = n
		}
	}
	return all
}

// Await waits until a counter has come to n, or returns why it has not when ctx
// ends.
func (c *Counters) Await(ctx context.Context, name string, n float64) error {
	for {
		c.mu.Lock()
		total := c.totals[name]
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		if total >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s is %v, not %v: %w", name, total, n, ctx.Err())
		}
	}
}
