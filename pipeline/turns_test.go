package pipeline_test

import (
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// The first call is a turn, then one in a second; who missed is counted once.
func TestTurns(t *testing.T) {
	var turns pipeline.Turns
	for _, tt := range []struct {
		at     time.Duration
		missed int
		ok     bool
	}{
		{0, 0, true},
		{0, 0, false},
		{time.Second - 1, 0, false},
		{time.Second, 2, true},
		{2 * time.Second, 0, true},
		{2500 * time.Millisecond, 0, false},
	} {
		missed, ok := turns.Take(time.Time{}.Add(tt.at), time.Second)
		if missed != tt.missed || ok != tt.ok {
			t.Errorf("at %s: got %d, %t, want %d, %t", tt.at, missed, ok, tt.missed, tt.ok)
		}
	}
	if first, second := turns.Missed(), turns.Missed(); first != 1 || second != 0 {
		t.Errorf("missed: got %d, then %d, want 1, then 0", first, second)
	}
	if missed, ok := turns.Take(time.Time{}.Add(time.Minute), time.Second); missed != 0 || !ok {
		t.Errorf("got %d, %t, want 0, true", missed, ok)
	}
}
