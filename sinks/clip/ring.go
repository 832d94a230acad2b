package clip

import (
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ring holds the latest access units, from a keyframe on.
type ring struct {
	span     time.Duration // to be held at least
	maxBytes int64

	units []pipeline.Unit
	bytes int64
}

// add adds a unit, and lets go of those that are not needed any more. It returns
// how many were let go of only because of the bound.
func (r *ring) add(u pipeline.Unit) (lost int) {
	if n := len(r.units); n > 0 && r.units[n-1].Codec != u.Codec {
		r.drop(n)
	}
	if len(r.units) == 0 && !u.Keyframe {
		return 0
	}
	r.units = append(r.units, u)
	r.bytes += int64(len(u.Data))
	for next := r.keyframe(1); next > 0 && u.PTS-r.units[next].PTS >= r.span; next = r.keyframe(1) {
		r.drop(next)
	}
	for r.bytes > r.maxBytes {
		next := r.keyframe(1)
		if next < 0 {
			next = len(r.units)
		}
		lost += next
		r.drop(next)
	}
	return lost
}

// keyframe returns where the first keyframe at or behind i is, or -1.
func (r *ring) keyframe(i int) int {
	for ; i < len(r.units); i++ {
		if r.units[i].Keyframe {
			return i
		}
	}
	return -1
}

func (r *ring) drop(n int) {
	for _, u := range r.units[:n] {
		r.bytes -= int64(len(u.Data))
	}
	rest := copy(r.units, r.units[n:])
	clear(r.units[rest:])
	r.units = r.units[:rest]
}

// sinceKeyframe returns how long the last keyframe is ago.
func (r *ring) sinceKeyframe() time.Duration {
	for _, u := range slices.Backward(r.units) {
		if u.Keyframe {
			return r.units[len(r.units)-1].PTS - u.PTS
		}
	}
	return 0
}

// from returns the units from the last keyframe at or before pts on, or all.
func (r *ring) from(pts time.Duration) []pipeline.Unit {
	first := 0
	for i, u := range r.units {
		if u.Keyframe && u.PTS <= pts {
			first = i
		}
	}
	return r.units[first:]
}
