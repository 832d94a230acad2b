package graph

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets that widen with them: each power of
// two is cut into parts, so that a value is known to 1/16. Its memory is fixed.
type histogram struct {
	buckets [powers << partBits]atomic.Uint64
	sum     atomic.Int64
	max     atomic.Int64
}

const (
	partBits = 4
	// Below 2^minPower ns (1 µs) all is one bucket; 2^(minPower+powers-1) ns
	// (over an hour) is the end.
	minPower = 10
	powers   = 33
)

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucket(d)].Add(1)
	h.sum.Add(int64(d))
	if top := h.max.Load(); int64(d) > top {
		h.raise(int64(d))
	}
}

func (h *histogram) raise(d int64) {
	for top := h.max.Load(); d > top && !h.max.CompareAndSwap(top, d); top = h.max.Load() {
	}
}

// bucket returns where d is counted.
func bucket(d time.Duration) int {
	power := bits.Len64(uint64(d)) - 1
	if power < minPower {
		return 0
	}
	part := int(d>>(power-partBits)) & (1<<partBits - 1)
	return min((power-minPower+1)<<partBits|part, powers<<partBits-1)
}

// upper returns the end of a bucket, which is the start of the next.
func upper(bucket int) time.Duration {
	power, part := bucket>>partBits, bucket&(1<<partBits-1)
	if power == 0 {
		return 1 << minPower
	}
	return time.Duration(1<<partBits+part+1) << (power + minPower - 1 - partBits)
}

// Quantiles is the distribution of a duration, known to one sixteenth.
type Quantiles struct {
	Count              uint64
	Mean               time.Duration
	P50, P95, P99, Max time.Duration
}

func (h *histogram) quantiles() Quantiles {
	var counted [len(h.buckets)]uint64
	q := Quantiles{Max: time.Duration(h.max.Load())}
	for i := range h.buckets {
		counted[i] = h.buckets[i].Load()
		q.Count += counted[i]
	}
	if q.Count == 0 {
		return q
	}
	q.Mean = time.Duration(h.sum.Load() / int64(q.Count))
	at := func(share float64) time.Duration {
		rest := uint64(share * float64(q.Count))
		for i, n := range counted {
			if n > rest {
				return min(upper(i), q.Max)
			}
			rest -= n
		}
		return q.Max
	}
	q.P50, q.P95, q.P99 = at(0.50), at(0.95), at(0.99)
	return q
}

func (h *histogram) count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// cumulative returns how many durations are below each power of two from
// 2^minPower ns on, in seconds, as Prometheus wants them.
func (h *histogram) cumulative() (below map[float64]uint64, count uint64, sum float64) {
	below = make(map[float64]uint64)
	for power := range powers {
		for part := range 1 << partBits {
			count += h.buckets[power<<partBits|part].Load()
		}
		if end := time.Duration(1) << (minPower + power); end >= smallestShown && end <= largestShown {
			below[end.Seconds()] = count
		}
	}
	return below, count, time.Duration(h.sum.Load()).Seconds()
}

// What Prometheus is shown: 16 µs to 17 s, in 21 buckets.
const (
	smallestShown = 1 << 14
	largestShown  = 1 << 34
)
