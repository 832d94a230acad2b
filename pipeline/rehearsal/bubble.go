package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
)

// errStill says that a bubble cannot go on.
var errStill = errors.New("everything waits for something that never comes")

// inBubble runs f where time is virtual for f and all goroutines that come of it:
// it passes only when all of them wait for it, and no longer than it has to. What
// is outside, a program or a network, is waited for, and time stands still
// meanwhile. Go has this for tests, hence the T; it takes no part in one.
//
// inBubble returns when f has returned, or when ctx ends: then f is left alone. A
// goroutine that f has left behind is, too.
func inBubble(ctx context.Context, f func()) error {
	over := make(chan error, 2) // f's end, then the bubble's
	go func() {
		defer func() {
			if r := recover(); r != nil {
				over <- stuck(r)
			}
		}()
		synctest.Test(new(testing.T), func(*testing.T) {
			defer func() { // a panic of its own would end the process
				if r := recover(); r != nil {
					over <- fmt.Errorf("panic: %v\n%s", r, debug.Stack())
				}
			}()
			f()
			over <- nil
		})
	}()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stuck returns what a bubble's panic means.
func stuck(r any) error {
	text := fmt.Sprint(r)
	if strings.HasPrefix(text, "deadlock") {
		return errStill
	}
	return fmt.Errorf("panic: %s", text)
}
