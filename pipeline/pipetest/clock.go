package pipetest

import (
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Clock stands where a test puts it: that is its Now. What waits waits in real time.
// It is used by one goroutine.
type Clock struct {
	pipeline.SystemClock
	Time time.Time
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time { return c.Time }

// Add moves the clock.
func (c *Clock) Add(d time.Duration) { c.Time = c.Time.Add(d) }
