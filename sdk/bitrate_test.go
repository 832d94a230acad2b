package sdk

import (
	"math"
	"testing"
)

// TestReceiversEstimateIsBounded: no estimate goes beyond the bounds, and the
// bounds alone hold it.
func TestReceiversEstimateIsBounded(t *testing.T) {
	session, track := BitrateBounds{Max: 2 * maxEstimate}, BitrateBounds{Min: 200_000, Max: maxEstimate}
	for _, tt := range []struct {
		remb   uint64
		within BitrateBounds
		want   int
	}{
		{1, BitrateBounds{}, leastBitrate},
		{777_000, BitrateBounds{}, 777_000},
		{maxEstimate + 1, BitrateBounds{}, maxEstimate + 1},
		{math.MaxUint64, BitrateBounds{}, 2 * maxEstimate},
		{1, track, 200_000},
		{math.MaxUint64, track, maxEstimate},
	} {
		c := &conn{session: &Session{bounds: session}, bwe: slow{}}
		c.remb.Store(tt.remb)
		s := &Publication{track: &Track{bounds: tt.within}}
		s.live.Store(&sender{conn: c})
		if got := s.Bitrate(); got != tt.want {
			t.Errorf("%d within %+v: got %d, want %d", tt.remb, tt.within, got, tt.want)
		}
	}
}

func TestBoundsAreCompleted(t *testing.T) {
	for _, tt := range []struct{ in, want BitrateBounds }{
		{BitrateBounds{}, BitrateBounds{leastBitrate, firstBitrate, mostBitrate}},
		{BitrateBounds{Max: 50_000}, BitrateBounds{50_000, 50_000, 50_000}},
		{BitrateBounds{Min: 20_000_000}, BitrateBounds{20_000_000, 20_000_000, 20_000_000}},
		{BitrateBounds{Start: 50_000}, BitrateBounds{50_000, 50_000, mostBitrate}},
		{BitrateBounds{Min: 1, Start: 2, Max: 3}, BitrateBounds{1, 2, 3}},
	} {
		if got := tt.in.complete(); got != tt.want || got.check("") != nil {
			t.Errorf("%+v: got %+v, want %+v", tt.in, got, tt.want)
		}
	}
}
