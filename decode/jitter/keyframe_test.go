package jitter_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode/jitter"
)

// picture is a packet of a picture: 'K' begins a keyframe, 'p' does not, a
// capital or small m at the end of the word is its marker.
type picture struct {
	ms   int
	seq  uint16
	kind string
}

func (p picture) packet() *rtp.Packet {
	return &rtp.Packet{
		Header:  rtp.Header{SequenceNumber: p.seq, Timestamp: uint32(p.seq) / 10, Marker: strings.HasSuffix(p.kind, "m")},
		Payload: []byte(p.kind),
	}
}

func holding() *jitter.Buffer {
	return jitter.New(jitter.Config{Keyframe: func(payload []byte) bool { return payload[0] == 'K' }})
}

// What is missing is waited for behind its deadline, up to 500 ms or to a
// keyframe that is complete.
func TestHold(t *testing.T) {
	idle := func(ms ...int) []picture {
		var all []picture
		for _, m := range ms {
			all = append(all, picture{ms: m})
		}
		return all
	}
	begun := []picture{{0, 10, "Km"}, {0, 12, "pm"}} // 11 is missing
	tests := []struct {
		name     string
		pictures []picture
		want     string
	}{
		{"a late repair", slices.Concat(begun, idle(66, 200), []picture{{300, 11, "pm"}}), "0:10 300:11 300:12"},
		{"no repair", slices.Concat(begun, idle(66, 200, 499, 500)), "0:10 500:1lost 12"},
		{"a keyframe in time", slices.Concat(begun, []picture{{210, 20, "K"}, {211, 21, "pm"}}), "0:10 211:1lost 12 211:7lost 20 211:21"},
		{"a keyframe before the deadline", slices.Concat(begun, []picture{{30, 13, "K"}, {30, 14, "pm"}}, idle(199, 200)), "0:10 200:1lost 12 200:13 200:14"},
		{
			"a keyframe that has a gap itself", slices.Concat(begun, []picture{{80, 20, "K"}, {81, 22, "pm"}}, idle(200), []picture{{210, 21, "p"}}),
			"0:10 210:1lost 12 210:7lost 20 210:21 210:22",
		},
		{
			"a keyframe whose second part looks like a beginning too", slices.Concat(begun, []picture{{80, 20, "K"}, {80, 22, "Km"}}, idle(200), []picture{{210, 21, "p"}}),
			"0:10 210:1lost 12 210:7lost 20 210:21 210:22",
		},
		{
			"a keyframe behind a gap that nobody repaired", slices.Concat(begun, idle(500), []picture{{501, 14, "pm"}, {502, 20, "Km"}}),
			"0:10 500:1lost 12 502:1lost 14 502:5lost 20",
		},
		{
			"after a keyframe gaps are waited for again", slices.Concat(begun, []picture{{220, 20, "Km"}, {230, 22, "pm"}}, idle(729, 730)),
			"0:10 220:1lost 12 220:7lost 20 730:1lost 22",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := holding()
			var got []string
			for _, p := range tt.pictures {
				if p.kind != "" {
					b.Push(p.packet(), at(p.ms))
				}
				got = append(got, pop(b, p.ms)...)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverdue(t *testing.T) {
	b := holding()
	want := func(ms int, overdue bool, deadline int) {
		t.Helper()
		pop(b, ms)
		if got := b.Overdue(); got != overdue {
			t.Errorf("at %d ms: overdue %t, want %t", ms, got, overdue)
		}
		if d, ok := b.Deadline(); ok != (deadline > 0) || ok && !d.Equal(at(deadline)) {
			t.Errorf("at %d ms: deadline %v, %t, want %d ms", ms, d.Sub(start), ok, deadline)
		}
	}
	b.Push(picture{0, 10, "Km"}.packet(), at(0))
	want(0, false, 0)
	b.Push(picture{0, 12, "pm"}.packet(), at(0))
	want(66, false, 200)
	want(200, true, 500)
	b.Push(picture{0, 11, "pm"}.packet(), at(300))
	want(300, false, 0)
}

// Whoever knows that nothing is missing in a gap has it skipped at once.
func TestSkip(t *testing.T) {
	b := holding()
	for _, seq := range []uint16{10, 13, 15} {
		b.Push(picture{0, seq, "pm"}.packet(), at(0))
	}
	if p, ok := b.Behind(); ok {
		t.Errorf("behind no gap: %d", p.SequenceNumber)
	}
	got := pop(b, 0)
	if p, ok := b.Behind(); !ok || p.SequenceNumber != 13 {
		t.Fatalf("behind the gap: %v, %t, want 13", p, ok)
	}
	b.Skip()
	got = append(got, pop(b, 1)...)
	if want := "0:10 1:2lost 13"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s: the gap behind it is another one", got, want)
	}
}

// FuzzHold is FuzzBuffer with keyframes: nothing is waited for over 500 ms.
func FuzzHold(f *testing.F) {
	f.Add([]byte{1, 1, 5, 0, 20, 3, 40, 1, 90, 2})
	f.Add([]byte{1, 3, 9, 0, 9, 0, 60, 3, 120, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		b := holding()
		now, seq, next := start, uint16(65530), int64(-1<<62)
		for ; len(in) >= 2; in = in[2:] {
			now = now.Add(time.Duration(in[0]) * time.Millisecond)
			kind := []string{"p", "K", "pm", "Km"}[in[1]&3]
			seq += uint16(in[1] >> 2 & 7)
			b.Push(&rtp.Packet{Header: rtp.Header{SequenceNumber: seq - uint16(in[1]>>5), Marker: len(kind) == 2}, Payload: []byte(kind)}, now)
			for {
				p, ok := b.Pop(now)
				if !ok {
					break
				}
				if p.Seq < next {
					t.Fatalf("got %d after %d", p.Seq, next-1)
				}
				next = p.Seq + 1
			}
			if d, ok := b.Deadline(); ok && (d.Before(now) || d.Sub(now) > 500*time.Millisecond) {
				t.Fatalf("waits until %v from now", d.Sub(now))
			}
		}
	})
}
