package sdk

import (
	"testing"
	"time"
)

func TestWatchdog(t *testing.T) {
	tests := []struct {
		name string
		// of second i: bytes sent, bytes waiting, packets received
		second func(i uint64) (sent, waiting, media uint64)
		dead   string
		at     int // second of the verdict
	}{
		{"nothing is sent and nothing comes", func(uint64) (uint64, uint64, uint64) { return 100, 0, 7 }, "", 0},
		{"all is confirmed", func(i uint64) (uint64, uint64, uint64) { return 100 * i, 0, 7 }, "", 0},
		{"always as much on its way", func(i uint64) (uint64, uint64, uint64) { return 100*i + 100, 100, 7 }, "", 0},
		{"a large message, slowly", func(i uint64) (uint64, uint64, uint64) { return 1e6, 1e6 - 10*i, 7 }, "", 0},
		{"nothing is confirmed", func(i uint64) (uint64, uint64, uint64) { return 100 * i, 100 * i, 7 }, "the server has confirmed nothing for 10s", 11},
		{"nothing is confirmed, but it plays", func(i uint64) (uint64, uint64, uint64) { return 100 * i, 100 * i, i }, "the server has confirmed nothing for 20s", 21},
		{"it played until then", func(i uint64) (uint64, uint64, uint64) { return 100 * i, 100 * i, min(i, 15) }, "the server has confirmed nothing for 15s", 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w watchdog
			for i := 1; i <= 60; i++ {
				sent, waiting, media := tt.second(uint64(i))
				err := w.look(time.Unix(int64(i), 0), sent, waiting, media)
				if err == nil {
					continue
				}
				if message(err) != tt.dead || i != tt.at {
					t.Errorf("second %d: %v; want %d: %s", i, err, tt.at, tt.dead)
				}
				return
			}
			if tt.dead != "" {
				t.Error("not noticed")
			}
		})
	}
}
