package ingest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// tally is what came on a track and what became of it. Receiving and reading
// write it, anybody reads it.
type tally struct {
	made    time.Time    // arrival counts from here, on the monotonic clock
	arrival atomic.Int64 // of the last packet, in ns, 0 before the first

	received, decoded            atomic.Uint64
	lost, withheld               atomic.Uint64 // by the receiver
	malformed, oversized         atomic.Uint64 // by the receiver
	stale, stray, unknown        atomic.Uint64 // packets
	untrue                       atomic.Uint64 // trailers
	behind                       atomic.Uint64
	undecodable, tooLarge        atomic.Uint64 // by the decoder
	keyframeRequests, reconnects atomic.Uint64

	mu       sync.Mutex     // guards what follows
	past     receiverCounts // of the receptions before the present one
	unit     time.Time      // when the last unit came
	renewals uint64
	gaps     []time.Duration // of the renewals, the last mostGaps of them
}

// mostGaps bounds the gaps that are remembered: two weeks of renewals.
const mostGaps = 1000

func (t *tally) arrived(at time.Time) { t.arrival.Store(max(1, int64(at.Sub(t.made)))) }

// handOver counts the reception before the present one as past.
func (t *tally) handOver(n receiverCounts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.past = t.past.plus(n)
}

// came notes a unit, and with the first of a new session how long there was none.
// It returns that gap; 0 for other units.
func (t *tally) came(at time.Time, renewed bool) (gap time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if renewed && !t.unit.IsZero() {
		gap = max(at.Sub(t.unit), 0)
		t.renewals++
		t.gaps = append(t.gaps, gap)
		if len(t.gaps) > mostGaps {
			t.gaps = slices.Delete(t.gaps, 0, 1)
		}
	}
	t.unit = at
	return gap
}

// settle takes over what the present receiver has counted.
func (t *tally) settle(n receiverCounts) {
	t.mu.Lock()
	n = n.plus(t.past)
	t.mu.Unlock()
	t.received.Store(n.units + n.broken + n.withheld)
	refused := n.malformed + n.oversized
	t.lost.Store(n.broken - min(refused, n.broken)) // the unit in the making is not among the broken
	t.withheld.Store(n.withheld)
	t.malformed.Store(n.malformed)
	t.oversized.Store(n.oversized)
	t.untrue.Store(n.untrue)
	t.stray.Store(n.stray)
}

// failed counts a unit that the decoder refused.
func (t *tally) failed(err error) {
	if errors.Is(err, ffmpeg.ErrTooLarge) {
		t.tooLarge.Add(1)
		return
	}
	t.undecodable.Add(1)
}

func (t *tally) counts() pipeline.SourceCounts {
	c := pipeline.SourceCounts{
		Received: t.received.Load(), Decoded: t.decoded.Load(),
		KeyframeRequests: t.keyframeRequests.Load(), Reconnects: t.reconnects.Load(),
		Dropped: map[string]uint64{
			"loss":                 t.lost.Load(),
			"waiting_for_keyframe": t.withheld.Load(),
			"decoder_behind":       t.behind.Load(),
			"undecodable":          t.undecodable.Load(),
			"malformed":            t.malformed.Load(),
			"over_max_unit":        t.oversized.Load(),
			"over_max_pixels":      t.tooLarge.Load(),
			"stale_packet":         t.stale.Load(),
			"stray_packet":         t.stray.Load(),
			"unknown_codec":        t.unknown.Load(),
			"untrue_trailer":       t.untrue.Load(),
		},
	}
	t.mu.Lock()
	c.Renewals, c.RenewalGaps = t.renewals, slices.Clone(t.gaps)
	t.mu.Unlock()
	if since := t.arrival.Load(); since > 0 {
		c.LastArrival = t.made.Add(time.Duration(since))
	}
	return c
}
