package ingest

import (
	"testing"
	"time"
)

func TestTimeline(t *testing.T) {
	const rate = 90000
	type unit struct {
		rtp     int64
		at      time.Duration // of arrival, since the first
		restart bool
		want    time.Duration
	}
	tests := []struct {
		name  string
		units []unit
	}{
		{"steady", []unit{
			{1000, 0, false, 0},
			{1000 + 3000, 33 * time.Millisecond, false, time.Second / 30},
			{1000 + 6000, 67 * time.Millisecond, false, time.Second / 15},
		}},
		{"jitter of arrival does not show", []unit{
			{0, 0, false, 0},
			{3000, 90 * time.Millisecond, false, time.Second / 30},
			{6000, 91 * time.Millisecond, false, time.Second / 15},
		}},
		{"a pause of minutes", []unit{
			{0, 0, false, 0},
			{90000 * 300, 300 * time.Second, false, 300 * time.Second},
		}},
		{"a clock that steps back does not", []unit{
			{9000, 0, false, 0},
			{12000, 33 * time.Millisecond, false, time.Second / 30},
			{6000, 66 * time.Millisecond, false, time.Second/30 + time.Microsecond},
		}},
		{"a clock that jumps goes on by the arrivals", []unit{
			{0, 0, false, 0},
			{90000 * 3600, 40 * time.Millisecond, false, 40 * time.Millisecond},
			{90000*3600 + 3000, 80 * time.Millisecond, false, 40*time.Millisecond + time.Second/30},
		}},
		{"a new sender goes on by the arrivals", []unit{
			{50000, 0, false, 0},
			{7, 2 * time.Second, true, 2 * time.Second},
			{7 + 3000, 2*time.Second + 30*time.Millisecond, false, 2*time.Second + time.Second/30},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var line timeline
			epoch := time.Unix(1000, 0)
			for i, u := range tt.units {
				arrival := epoch.Add(u.at)
				if u.restart {
					line.restart(u.rtp, arrival)
				}
				if got := line.at(u.rtp, rate, arrival); got != u.want {
					t.Errorf("unit %d: got %v, want %v", i, got, u.want)
				}
			}
		})
	}
}
