package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

func TestClimb(t *testing.T) {
	tests := []struct {
		name              string
		held, want, tries int
	}{
		{"just there", 20, 20, 3},
		{"one step more", 23, 22, 5},
		{"up", 30, 30, 7},
		{"one step less", 18, 18, 3},
		{"down", 9, 8, 7},
		{"not one", 0, 0, 6},
		{"as many as the server has", 1000, fullHouse, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries := 0
			got := climb(func(n int) (ok, more bool) {
				tries++
				return n <= tt.held, true
			})
			if got != tt.want || tries != tt.tries {
				t.Errorf("got %d after %d tries, want %d after %d", got, tries, tt.want, tt.tries)
			}
		})
	}
}

// What failed once is tried again, and where it holds then the search goes on.
func TestClimbOnANoisyMachine(t *testing.T) {
	var tried []int
	got := climb(func(n int) (ok, more bool) {
		tried = append(tried, n)
		return n <= 22 && len(tried) > 1, true
	})
	if want := []int{20, 18, 20, 22, 26, 24, 24}; got != 22 || !slices.Equal(tried, want) {
		t.Errorf("got %d by %d, want 22 by %d", got, tried, want)
	}
}

func TestClimbEndsEarly(t *testing.T) {
	if got := climb(func(n int) (ok, more bool) { return true, n < 26 }); got != 22 {
		t.Errorf("got %d, want 22, the last that was held in time", got)
	}
}

// A number of sessions that failed is a row, and no end of the table.
func TestHeldRows(t *testing.T) {
	held := held{what: "held", most: 2, tries: map[int]try{
		2: {crowd: crowd{FPS: 30, CPU: time.Second / 2}},
		4: {err: errors.New("child: EOF: Traceback\n  File x\nConnectionError: no answer\n")},
		6: {crowd: crowd{FPS: 3}},
	}}
	want := []row{
		{what: "held", value: "2: 30.0 fps, 0.50 cores"},
		{what: "… and with 4", value: "failed: ConnectionError: no answer"},
	}
	if got := held.rows(); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	held.most, held.stopped = 0, true
	if got, want := held.rows()[0].value, "none; no more was tried after 1m15s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A stream that is replayed goes on, over the wrap of its numbers.
func TestReplay(t *testing.T) {
	next := replay([]*rtp.Packet{
		{Header: rtp.Header{SequenceNumber: 65534, Timestamp: 1}}, {Header: rtp.Header{SequenceNumber: 65535, Timestamp: 3001}},
	})
	for i := range uint32(6) {
		if p := next(); uint32(p.SequenceNumber) != (65534+i)%(1<<16) || p.Timestamp != 1+3000*i {
			t.Errorf("packet %d: %d, %d", i, p.SequenceNumber, p.Timestamp)
		}
	}
}

// Of two rates of the same stream follow what a frame and what a second takes.
func TestAllocations(t *testing.T) {
	const perFrame, perSecond = us + "pipeline/ingest.a", us + "sdk.b"
	full := allocated{Frames: 300, Seconds: 10, By: allocations{perFrame: 300, perSecond: 50, pion + "c": 600 + 20, "d": 5, "main.e": 300}}
	half := allocated{Frames: 150, Seconds: 10, By: allocations{perFrame: 150, perSecond: 50, pion + "c": 300 + 20, "main.e": 150}}
	frame, second, err := full.split(half)
	if err != nil {
		t.Fatal(err)
	}
	type sums struct{ us, pion, others float64 }
	if got, want := (sums{frame.of(us), frame.of(pion), frame.of(others)}), (sums{1, 2, 5.0 / 150}); got != want {
		t.Errorf("for each frame: got %v, want %v", got, want)
	}
	if got, want := (sums{second.of(us), second.of(pion), second.of(others)}), (sums{5, 2, -0.5}); got != want {
		t.Errorf("for each second: got %v, want %v", got, want)
	}
	if got, want := frame.most(), []string{perFrame, pion + "c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, _, err := full.split(full); err == nil {
		t.Error("two streams of one rate say nothing, but no error")
	}
}

func TestFlags(t *testing.T) {
	tests := []struct {
		name, only string
		frames     int
		want       string
	}{
		{"all tables", "", 10_000, ""},
		{"one table", "graph", 3601, ""},
		{"no table", "grahp", 10_000, "only: must be one of " + names() + `, got "grahp"`},
		{"too few frames", "", 3600, "frames: must be more than 3600, got 3600"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := checkFlags(tt.only, tt.frames); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
