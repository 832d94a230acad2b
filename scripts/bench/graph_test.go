package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A run that is ended before it is half way has no reload to wait for.
func TestRunEndsBeforeItsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := line(1)
		s.fps, s.reload = 30, true
		if _, err := run(ctx, s, 60); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}
