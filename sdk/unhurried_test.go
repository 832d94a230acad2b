package sdk

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestUnhurried: who reads faster than packets can come pauses after each breath of
// them; who does not is never held up.
func TestUnhurried(t *testing.T) {
	tests := []struct {
		name string
		took time.Duration // from one packet to the next
		want time.Duration // of pauses, in ten breaths
	}{
		{"all at once", 0, 10 * breathPause},
		{"a fast line", breathTime / breath, 0},
		{"a slow line", time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &unhurriedConn{begun: time.Now().Add(-breathTime)}
				c.packets = breath - 1
				c.breathe() // the first one begins
				begun := time.Now()
				for range 10 * breath {
					time.Sleep(tt.took)
					c.breathe()
				}
				if paused := time.Since(begun) - 10*breath*tt.took; paused != tt.want {
					t.Errorf("paused for %v, want %v", paused, tt.want)
				}
			})
		})
	}
}
