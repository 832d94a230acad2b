package sdk

import (
	"maps"
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
			now := time.Unix(0, 0)
			for _, seq := range tt.seqs {
				i.packet(numbered(seq, 0), "vp8", 100, now)
			}
			for try := range nackTries + 3 {
				want := tt.want
				if try >= nackTries {
					want = nil
				}
				now = now.Add(nackInterval)
				got, _ := i.wanted(now)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("try %d (-want +got):\n%s", try+1, diff)
				}
			}
		})
	}
}

// TestFirstRequest: what two packets overtook is asked for at once, what may only
// have changed places a little later.
func TestFirstRequest(t *testing.T) {
	const late = nackInterval
	tests := []struct {
		name string
		seqs []uint16 // a millisecond apart, from the first one on
		want map[uint16]time.Duration
	}{
		{"two packets behind it", []uint16{5, 7, 8}, map[uint16]time.Duration{6: 2 * time.Millisecond}},
		{"one packet behind it", []uint16{5, 7}, map[uint16]time.Duration{6: time.Millisecond + late}},
		{"several in a row", []uint16{5, 9, 10, 11}, map[uint16]time.Duration{6: 2 * time.Millisecond, 7: 2 * time.Millisecond, 8: 2 * time.Millisecond}},
		{"every other", []uint16{5, 7, 9, 10}, map[uint16]time.Duration{6: 2 * time.Millisecond, 8: 3 * time.Millisecond}},
		{"the first again, and not yet the second", []uint16{5, 7, 8, 10}, map[uint16]time.Duration{6: 2 * time.Millisecond, 9: 3*time.Millisecond + late}},
		{"neighbours changed places", []uint16{5, 7, 6, 8}, nil},
		{"a path that reorders", []uint16{5, 7, 6, 9, 10}, map[uint16]time.Duration{8: 3*time.Millisecond + late}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := inbound{repairs: true}
			begun := time.Unix(1000, 0)
			got := map[uint16]time.Duration{}
			for ms := range 2 * int(nackInterval/time.Millisecond) {
				at := time.Duration(ms) * time.Millisecond
				if ms < len(tt.seqs) {
					i.packet(numbered(tt.seqs[ms], 0), "vp8", 1, begun.Add(at))
				}
				seqs, _ := i.wanted(begun.Add(at))
				for _, seq := range seqs {
					if _, again := got[seq]; !again {
						got[seq] = at
					}
				}
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestOrderIsForgotten: a packet out of order holds requests up for a while only.
func TestOrderIsForgotten(t *testing.T) {
	i := inbound{repairs: true}
	now := time.Unix(1000, 0)
	receive := func(seqs ...uint16) {
		for _, seq := range seqs {
			i.packet(numbered(seq, 0), "vp8", 1, now)
		}
	}
	receive(1, 3, 2, 5, 6)
	if got, next := i.wanted(now); got != nil || !next.Equal(now.Add(nackInterval)) {
		t.Errorf("at once: %v, next %v", got, next)
	}
	receive(4)
	now = now.Add(orderMemory + time.Millisecond)
	receive(8, 9)
	if got, next := i.wanted(now); !slices.Equal(got, []uint16{7}) || !next.Equal(now.Add(nackInterval)) {
		t.Errorf("later: %v, next %v", got, next)
	}
}

// TestGapsAreSaid: who counts is told when to look, at a gap and when it is
// overtaken.
func TestGapsAreSaid(t *testing.T) {
	for _, repairs := range []bool{true, false} {
		i := inbound{repairs: repairs}
		var got []bool
		for _, seq := range []uint16{1, 2, 4, 5, 6, 3, 10, 11} {
			got = append(got, i.packet(numbered(seq, 0), "opus", 1, time.Unix(1000, 0)))
			i.wanted(time.Unix(1000, 0))
		}
		if want := []bool{false, false, repairs, repairs, false, false, repairs, repairs}; !slices.Equal(got, want) {
			t.Errorf("repairs %v: got %v, want %v", repairs, got, want)
		}
	}
}

// TestGapsAreBounded: a link that loses all but every other packet.
func TestGapsAreBounded(t *testing.T) {
	i := inbound{repairs: true}
	for n := range repairDepth + 200 {
		i.packet(numbered(uint16(2*n), 0), "vp8", 1, time.Unix(0, 0))
	}
	if all, _ := i.wanted(time.Unix(1, 0)); len(all) != repairDepth {
		t.Errorf("%d packets are asked for", len(all))
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
