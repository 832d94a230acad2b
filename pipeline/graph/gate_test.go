package graph

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestPace(t *testing.T) {
	ms := func(ns ...int) (d []time.Duration) {
		for _, n := range ns {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	tests := []struct {
		name string
		rate float64
		at   []time.Duration
		want []time.Duration
	}{
		{"no rate", 0, ms(0, 1, 2), ms(0, 1, 2)},
		{"half the frames", 10, ms(0, 50, 100, 150, 200), ms(0, 100, 200)},
		{"a tick early is due", 10, ms(0, 99, 199, 300), ms(0, 99, 199, 300)},
		{"early does not add up", 10, ms(0, 80, 160, 240, 320, 400), ms(0, 80, 240, 320, 400)},
		{"after a gap the grid begins anew", 10, ms(0, 1050, 1100, 1150, 1250), ms(0, 1050, 1150, 1250)},
		{"faster than the frames", 100, ms(0, 40, 80), ms(0, 40, 80)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPace(tt.rate)
			var got []time.Duration
			for _, at := range tt.at {
				if p.due(at) {
					got = append(got, at)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTrigger(t *testing.T) {
	absent := struct{}{}
	tests := []struct {
		name    string
		trigger trigger
		values  []any // one a second
		want    []int // the seconds at which it fires
	}{
		{"rise", trigger{edge: pipeline.Rise}, []any{false, true, true, false, true}, []int{1, 4}},
		{"rise from the start", trigger{edge: pipeline.Rise}, []any{true, true}, []int{0}},
		{"absent is false", trigger{edge: pipeline.Rise}, []any{true, absent, true}, []int{0, 2}},
		{"fall", trigger{edge: pipeline.Fall}, []any{false, true, true, false, false, true, false}, []int{3, 6}},
		{"no fall at the start", trigger{edge: pipeline.Fall}, []any{false, false}, nil},
		{"while", trigger{edge: pipeline.While}, []any{true, false, 3, "", "x", 0.0}, []int{0, 2, 4}},
		{"change of any type", trigger{edge: pipeline.OnChange}, []any{"a", "a", "b", absent, "b", 1, []any{1}, []any{1}}, []int{0, 2, 5, 6}},
		{"change to false", trigger{edge: pipeline.OnChange}, []any{true, false, false}, []int{0, 1}},
		{"rise holds", trigger{edge: pipeline.Rise, hold: 2 * time.Second}, []any{true, false, true, true, true, true}, []int{4}},
		{"fall holds", trigger{edge: pipeline.Fall, hold: time.Second}, []any{true, true, false, true, false, false}, []int{5}},
		{"while holds", trigger{edge: pipeline.While, hold: time.Second}, []any{true, true, true, false, true, true}, []int{1, 2, 5}},
		{"change holds", trigger{edge: pipeline.OnChange, hold: time.Second}, []any{"a", "a", "b", "a", "c", "c"}, []int{1, 5}},
		{"rise cools down", trigger{edge: pipeline.Rise, cooldown: 4 * time.Second}, []any{true, false, true, false, true}, []int{0, 4}},
		{"while cools down", trigger{edge: pipeline.While, cooldown: 2 * time.Second}, []any{true, true, true, true}, []int{0, 2}},
		{"a change waits until it is cool", trigger{edge: pipeline.OnChange, cooldown: 3 * time.Second}, []any{"a", "b", "b", "b", "a", "b"}, []int{0, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for second, v := range tt.values {
				if tt.trigger.fires(v, v != absent, time.Duration(second)*time.Second) {
					got = append(got, second)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fires (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHistogram(t *testing.T) {
	for _, d := range []time.Duration{0, 500, 1023, 1024, 1025, time.Millisecond, 17 * time.Millisecond, time.Second, time.Minute} {
		b := bucket(d)
		low := time.Duration(0)
		if b > 0 {
			low = upper(b - 1)
		}
		if b > 0 && b < 1<<partBits {
			low = 1 << minPower // all below is one bucket
		}
		if high := upper(b); d < low || d >= high {
			t.Errorf("%d is in a bucket from %d to %d", d, low, high)
		}
	}
	var h histogram
	for ms := range 1000 {
		h.observe(time.Duration(ms+1) * time.Millisecond)
	}
	q := h.quantiles()
	near := func(got, want time.Duration) bool { return got >= want && got <= want+want/15 }
	if q.Count != 1000 || q.Max != time.Second || !near(q.P50, 500*time.Millisecond) || !near(q.P99, 990*time.Millisecond) || q.Mean != 500500*time.Microsecond {
		t.Errorf("%+v", q)
	}
	below, count, sum := h.cumulative()
	if count != 1000 || sum != 500.5 || below[time.Duration(1<<29).Seconds()] != 536 {
		t.Errorf("count %d, sum %v, below 2^29 ns %d", count, sum, below[time.Duration(1<<29).Seconds()])
	}
	h.observe(1 << 62)
	if q := h.quantiles(); q.Max != 1<<62 || q.Count != 1001 {
		t.Errorf("%+v", q)
	}
}

func TestGraver(t *testing.T) {
	tests := []struct{ a, b, want pipeline.Reason }{
		{"", "", ""},
		{"", pipeline.Loss, pipeline.Loss},
		{pipeline.Renewal, pipeline.Loss, pipeline.Renewal},
		{pipeline.Loop, pipeline.Reconnect, pipeline.Reconnect},
	}
	for _, tt := range tests {
		if got := graver(tt.a, tt.b); got != tt.want {
			t.Errorf("graver(%q, %q) = %q, want %q", tt.a, tt.b, got, tt.want)
		}
		var b breaks
		b.add(tt.a)
		b.add(tt.b)
		if got := b.take(); got != tt.want {
			t.Errorf("breaks after %q and %q: %q, want %q", tt.a, tt.b, got, tt.want)
		}
		if got := b.take(); got != "" {
			t.Errorf("told twice: %q", got)
		}
	}
}
