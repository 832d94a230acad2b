package rehearsal

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Result is what came of a test.
type Result struct {
	Test     *Test
	Failures []Failure
	// Took is how long it took, Lasted how long it lasted on the virtual clock.
	Took, Lasted time.Duration
}

// Passed says that all came out as expected.
func (r Result) Passed() bool { return len(r.Failures) == 0 }

// Run runs tests, one after the other, and reports each as it is over. An error
// says why not all were run: ctx has ended, or a test makes it impossible to go
// on. A process that has seen one had better end.
func Run(ctx context.Context, tests []*Test, report func(Result)) error {
	var running atomic.Pointer[Test]
	stopwatch := newStopwatch()
	outside := goOutdoors()
	defer outside.close()
	err := inBubble(ctx, func() {
		for _, t := range tests {
			running.Store(t)
			stopwatch.lap()
			o := t.perform(outside)
			report(Result{Test: t, Failures: t.compare(o), Took: stopwatch.lap(), Lasted: o.lasted})
		}
		running.Store(nil)
	})
	if t := running.Load(); t != nil && err != nil {
		return &stuckError{t, err}
	}
	return err
}

// stuckError is why a test did not come to its end.
type stuckError struct {
	test  *Test
	cause error
}

func (e *stuckError) Error() string {
	return fmt.Sprintf("%s:%d: %s: %v", e.test.Path, e.test.Line, e.test.Name, e.cause)
}

func (e *stuckError) Unwrap() error { return e.cause }
