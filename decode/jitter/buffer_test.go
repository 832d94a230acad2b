package jitter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode/jitter"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// step is something that happens at a time.
type step struct {
	ms      int
	seq     uint16
	ssrc    uint32
	padding bool
	idle    bool // only time goes by
	flush   bool
	rtt     time.Duration
}

func packets(ms int, seqs ...uint16) []step {
	var steps []step
	for _, s := range seqs {
		steps = append(steps, step{ms: ms, seq: s})
	}
	return steps
}

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func apply(b *jitter.Buffer, s step) {
	switch {
	case s.flush:
		b.Flush()
	case s.rtt > 0:
		b.SetRTT(s.rtt)
	case s.idle:
	default:
		p := &rtp.Packet{Header: rtp.Header{SequenceNumber: s.seq, SSRC: s.ssrc}}
		if !s.padding {
			p.Payload = []byte{1}
		}
		b.Push(p, at(s.ms))
	}
}

// pop returns what comes out, one word a packet: "12" or, with its gap before
// it, "2lost 12", or "restart 12".
func pop(b *jitter.Buffer, ms int) []string {
	var out []string
	for {
		p, ok := b.Pop(at(ms))
		if !ok {
			return out
		}
		word := fmt.Sprint(p.SequenceNumber)
		if p.Lost > 0 {
			word = fmt.Sprintf("%dlost %s", p.Lost, word)
		}
		if p.Restart {
			word = "restart " + word
		}
		out = append(out, fmt.Sprintf("%d:%s", ms, word))
	}
}

func TestBuffer(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
		want  string // what Pop returns, each with the time in ms
		stats jitter.Stats
	}{
		{
			"in order", packets(0, 1, 2, 3),
			"0:1 0:2 0:3",
			jitter.Stats{Received: 3, Delivered: 3},
		},
		{
			"reordered", slices.Concat(packets(0, 1, 3), packets(10, 4), packets(30, 2)),
			"0:1 30:2 30:3 30:4",
			jitter.Stats{Received: 4, Delivered: 4, Reordered: 1},
		},
		{
			"lost after 66 ms", slices.Concat(packets(0, 1, 4), packets(65, 5), []step{{ms: 66, idle: true}}),
			"0:1 66:2lost 4 66:5",
			jitter.Stats{Received: 3, Delivered: 3, Lost: 2},
		},
		{
			"each gap has a deadline of its own", slices.Concat(packets(0, 1, 3), packets(40, 5), []step{{ms: 66, idle: true}, {ms: 105, idle: true}, {ms: 106, idle: true}}),
			"0:1 66:1lost 3 106:1lost 5",
			jitter.Stats{Received: 3, Delivered: 3, Lost: 2},
		},
		{
			"a long round trip waits longer", slices.Concat([]step{{rtt: 100 * time.Millisecond}}, packets(0, 1, 3), []step{{ms: 219, idle: true}, {ms: 220, idle: true}}),
			"0:1 220:1lost 3",
			jitter.Stats{Received: 2, Delivered: 2, Lost: 1},
		},
		{
			"but never over 500 ms", slices.Concat([]step{{rtt: time.Minute}}, packets(0, 1, 3), []step{{ms: 499, idle: true}, {ms: 500, idle: true}}),
			"0:1 500:1lost 3",
			jitter.Stats{Received: 2, Delivered: 2, Lost: 1},
		},
		{
			"late", slices.Concat(packets(0, 1, 3), packets(70, 4), packets(71, 2)),
			"0:1 70:1lost 3 70:4",
			jitter.Stats{Received: 4, Delivered: 3, Lost: 1, Late: 1},
		},
		{
			"duplicates, before and after delivery", packets(0, 1, 1, 3, 3, 2, 2, 1),
			"0:1 0:2 0:3",
			jitter.Stats{Received: 7, Delivered: 3, Duplicate: 4, Reordered: 1},
		},
		{
			"padding is no gap", slices.Concat(packets(0, 1), []step{{seq: 2, padding: true}}, packets(0, 3)),
			"0:1 0:3",
			jitter.Stats{Received: 3, Delivered: 2, Padding: 1},
		},
		{
			"padding does not hide a gap", slices.Concat(packets(0, 1), []step{{seq: 3, padding: true}}, packets(0, 4), []step{{ms: 66, idle: true}}),
			"0:1 66:1lost 4",
			jitter.Stats{Received: 3, Delivered: 2, Padding: 1, Lost: 1},
		},
		{
			"the sequence wraps", packets(0, 65534, 65535, 1, 0, 2),
			"0:65534 0:65535 0:0 0:1 0:2",
			jitter.Stats{Received: 5, Delivered: 5, Reordered: 1},
		},
		{
			"before the first", packets(0, 5, 4, 6),
			"0:5 0:6",
			jitter.Stats{Received: 3, Delivered: 2, Late: 1},
		},
		{
			"an ancient packet", packets(0, 40000, 40001, 10000, 40002),
			"0:40000 0:40001 0:40002",
			jitter.Stats{Received: 4, Delivered: 3, Stray: 1},
		},
		{
			"the sender counts anew", packets(0, 40000, 40001, 10000, 10001, 10002),
			"0:40000 0:40001 0:restart 10001 0:10002",
			jitter.Stats{Received: 5, Delivered: 4, Stray: 1, Restarts: 1},
		},
		{
			"a long outage", slices.Concat(packets(0, 1), packets(300_000, 2500), []step{{ms: 300_066, idle: true}}),
			"0:1 300066:2498lost 2500",
			jitter.Stats{Received: 2, Delivered: 2, Lost: 2498},
		},
		{
			"another SSRC ends the waiting", slices.Concat(packets(0, 1, 3), []step{{ms: 5, seq: 900, ssrc: 7}, {ms: 5, seq: 901, ssrc: 7}}),
			"0:1 5:1lost 3 5:restart 900 5:901",
			jitter.Stats{Received: 4, Delivered: 4, Lost: 1, Restarts: 1},
		},
		{
			"stragglers of the old SSRC",
			[]step{{seq: 1, ssrc: 6}, {seq: 50, ssrc: 7}, {ms: 10, seq: 2, ssrc: 6}, {ms: 20, seq: 51, ssrc: 7}},
			"0:1 0:restart 50 20:51",
			jitter.Stats{Received: 4, Delivered: 3, Restarts: 1, Stray: 1},
		},
		{
			"back to the old SSRC",
			[]step{{seq: 1, ssrc: 6}, {seq: 50, ssrc: 7}, {ms: 3000, seq: 2, ssrc: 6}},
			"0:1 0:restart 50 3000:restart 2",
			jitter.Stats{Received: 3, Delivered: 3, Restarts: 2},
		},
		{
			"a restart that begins with padding",
			[]step{{seq: 1, ssrc: 6}, {seq: 50, ssrc: 7, padding: true}, {seq: 51, ssrc: 7}},
			"0:1 0:restart 51",
			jitter.Stats{Received: 3, Delivered: 2, Restarts: 1, Padding: 1},
		},
		{
			"flush", slices.Concat(packets(0, 1, 3, 5), []step{{ms: 1, flush: true}}, packets(2, 6)),
			"0:1 1:1lost 3 1:1lost 5 2:6",
			jitter.Stats{Received: 4, Delivered: 4, Lost: 2},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := jitter.New(jitter.Config{})
			var got []string
			for _, s := range tt.steps {
				apply(b, s)
				got = append(got, pop(b, s.ms)...)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.stats, b.Stats()); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	b := jitter.New(jitter.Config{})
	if d, ok := b.Deadline(); ok {
		t.Errorf("empty: got %v", d)
	}
	apply(b, step{seq: 1})
	pop(b, 0)
	apply(b, step{ms: 10, seq: 3})
	apply(b, step{ms: 20, seq: 4})
	if d, ok := b.Deadline(); !ok || !d.Equal(at(76)) {
		t.Errorf("gap: got %v, %t", d.Sub(start), ok)
	}
	pop(b, 76)
	if d, ok := b.Deadline(); ok {
		t.Errorf("delivered: got %v", d)
	}
}

// A buffer that nobody empties keeps the newest packets and counts the others.
func TestOverflow(t *testing.T) {
	b := jitter.New(jitter.Config{})
	const n = 5000
	for i := range n {
		apply(b, step{seq: uint16(i + 1)})
	}
	stats := b.Stats()
	got := len(pop(b, 0))
	if uint64(got)+stats.Overflowed != n {
		t.Errorf("delivered %d, overflowed %d, want %d together", got, stats.Overflowed, n)
	}
	if got != 4096 {
		t.Errorf("delivered %d, want the newest 4096", got)
	}
}

// The unwrapped numbers grow by one over many wraps.
func TestUnwrappedSequence(t *testing.T) {
	b := jitter.New(jitter.Config{})
	var want int64
	for i := range 200_000 {
		apply(b, step{seq: uint16(i), ssrc: 1})
		p, ok := b.Pop(start)
		if !ok {
			t.Fatalf("packet %d is missing", i)
		}
		if i > 0 && p.Seq != want {
			t.Fatalf("packet %d: got sequence %d, want %d", i, p.Seq, want)
		}
		want = p.Seq + 1
	}
}

func TestNoAllocations(t *testing.T) {
	b := jitter.New(jitter.Config{})
	p := &rtp.Packet{Payload: []byte{1}}
	got := testing.AllocsPerRun(1000, func() {
		p.SequenceNumber++
		b.Push(p, start)
		b.Pop(start)
	})
	if got != 0 {
		t.Errorf("got %v allocations per packet", got)
	}
}

// FuzzBuffer pushes packets as the input says, three bytes each: sequence
// number and how many milliseconds passed, with a change of SSRC now and then.
// Whatever comes out is in order, once, and complete in its counts.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 2, 0, 0, 4, 10, 0, 3, 10})
	f.Add([]byte{255, 255, 0, 0, 0, 0, 255, 254, 0, 0, 1, 255})
	f.Add([]byte{0, 1, 0, 128, 1, 0, 128, 2, 0, 128, 3, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		b := jitter.New(jitter.Config{})
		now := start
		next := int64(-1 << 62)
		check := func() {
			for {
				p, ok := b.Pop(now)
				if !ok {
					return
				}
				if p.Seq < next {
					t.Fatalf("got %d after %d", p.Seq, next-1)
				}
				next = p.Seq + 1
			}
		}
		for ; len(in) >= 3; in = in[3:] {
			now = now.Add(time.Duration(in[2]&0x7f) * time.Millisecond)
			p := &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(in[0])<<8 | uint16(in[1])}}
			if in[2] != 0x7f {
				p.Payload = in[:1]
			}
			p.SSRC = uint32(in[2] >> 7)
			b.Push(p, now)
			check()
		}
		b.Flush()
		check()
		if d, ok := b.Deadline(); ok {
			t.Fatalf("flushed, yet waits until %v", d)
		}
		s := b.Stats()
		if sum := s.Delivered + s.Padding + s.Late + s.Duplicate + s.Stray + s.Overflowed; sum != s.Received {
			t.Fatalf("received %d, accounted for %d: %+v", s.Received, sum, s)
		}
	})
}
