package sdk

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
)

// TestGaps: what is missing is asked for until it comes, or often enough.
func TestGaps(t *testing.T) {
	tests := []struct {
		name string
		seqs []uint16
		want []uint16
	}{
		{"nothing is missing", []uint16{5, 6, 7}, nil},
		{"one", []uint16{5, 7}, []uint16{6}},
		{"several, over the wrap", []uint16{65533, 65535, 2, 3}, []uint16{65534, 0, 1}},
		{"one came late", []uint16{5, 9, 7}, []uint16{6, 8}},
		{"all came late", []uint16{5, 8, 7, 6}, nil},
		{"duplicates", []uint16{5, 7, 7, 5}, []uint16{6}},
		{"before the first", []uint16{5, 3, 6}, nil},
		{"a jump that no repair can bridge", []uint16{5, 7, 20_000, 20_001}, nil},
		{"a gap behind such a jump", []uint16{5, 7, 20_000, 20_002}, []uint16{20_001}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := inbound{repairs: true}
			for _, seq := range tt.seqs {
				i.packet(numbered(seq, 0), "vp8", 100, time.Unix(0, 0))
			}
			for try := range nackTries + 3 {
				want := tt.want
				if try >= nackTries {
					want = nil
				}
				if diff := cmp.Diff(want, i.wanted()); diff != "" {
					t.Fatalf("try %d (-want +got):\n%s", try+1, diff)
				}
			}
		})
	}
}

// TestGapsAreSaid: who counts is told when to ask.
func TestGapsAreSaid(t *testing.T) {
	for _, repairs := range []bool{true, false} {
		i := inbound{repairs: repairs}
		var got []bool
		for _, seq := range []uint16{1, 2, 4, 3, 5, 9} {
			got = append(got, i.packet(numbered(seq, 0), "opus", 1, time.Unix(0, 0)))
		}
		if want := []bool{false, false, repairs, false, false, repairs}; !slices.Equal(got, want) {
			t.Errorf("repairs %v: got %v, want %v", repairs, got, want)
		}
	}
}

// TestGapsAreBounded: a link that loses all but every other packet.
func TestGapsAreBounded(t *testing.T) {
	i := inbound{repairs: true}
	for n := range 4 * repairDepth {
		i.packet(numbered(uint16(2*n), 0), "vp8", 1, time.Unix(0, 0))
	}
	if n := len(i.wanted()); n != repairDepth {
		t.Errorf("%d packets are asked for", n)
	}
}

// TestReception compares what we report of a stream with RFC 3550.
func TestReception(t *testing.T) {
	i := inbound{ssrc: 7, clock: 90_000}
	at := time.Unix(1000, 0)
	receive := func(seqs ...uint16) {
		for _, seq := range seqs {
			i.packet(numbered(seq, 0), "vp8", 1, at)
		}
	}
	expect := func(name string, want rtcp.ReceptionReport) {
		t.Helper()
		got, ok := i.reception(at)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, diff)
		}
	}
	if _, ok := i.reception(at); ok {
		t.Error("a report of nothing")
	}
	receive(65534, 65535)
	expect("all there", rtcp.ReceptionReport{SSRC: 7, LastSequenceNumber: 65535})
	if _, ok := i.reception(at); ok {
		t.Error("a report although nothing came since")
	}
	i.senderReport(0x11112222_33334444, at)
	receive(1, 2)
	at = at.Add(1500 * time.Millisecond)
	expect("one of three is missing", rtcp.ReceptionReport{SSRC: 7, LastSequenceNumber: 1<<16 + 2, FractionLost: 85, TotalLost: 1, LastSenderReport: 0x22223333, Delay: 98304})
	receive(0, 65535, 65535, 65535)
	if got, _ := i.reception(at); got.FractionLost != 0 || got.TotalLost != 0 {
		t.Errorf("more came than were expected: %+v", got)
	}
}
