package main

import (
	"testing"

	"github.com/pion/rtp"
)

func TestClimb(t *testing.T) {
	tests := []struct {
		name              string
		first, step, held int
		want              int
	}{
		{"up", 20, 2, 25, 24},
		{"down", 20, 2, 15, 14},
		{"just there", 20, 2, 20, 20},
		{"not one", 2, 1, 0, 0},
		{"as many as the server has", 20, 2, 1000, fullHouse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := climb(tt.first, tt.step, func(n int) (bool, error) { return n <= tt.held, nil })
			if got != tt.want || err != nil {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
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

func TestAllocations(t *testing.T) {
	before := allocations{ours + "sdk.a": 10, "github.com/pion/b": 1, "main.c": 0}
	after := allocations{ours + "sdk.a": 30, "github.com/pion/b": 101, "main.c": 7}
	got := after.since(before, 10)
	if got.Ours != 2 || got.All != 12 || len(got.Sites) != 2 || got.Sites[0].PerFrame != 10 || got.Sites[1].Function != "sdk.a" {
		t.Errorf("got %+v", got)
	}
}
