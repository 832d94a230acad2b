package rehearsal

import (
	"time"

	"golang.org/x/sys/unix"
)

// stopwatch takes real time where time.Now is virtual.
type stopwatch struct{ last time.Duration }

func newStopwatch() *stopwatch { return &stopwatch{monotonic()} }

// lap returns how long ago the last one was.
func (s *stopwatch) lap() time.Duration {
	now := monotonic()
	took := now - s.last
	s.last = now
	return took
}

func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
