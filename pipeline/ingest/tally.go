package ingest

import (
	"errors"
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
	stale                        atomic.Uint64 // packets
	behind                       atomic.Uint64
	undecodable, tooLarge        atomic.Uint64 // by the decoder
	keyframeRequests, reconnects atomic.Uint64
}

func (t *tally) arrived(at time.Time) { t.arrival.Store(max(1, int64(at.Sub(t.made)))) }

// settle takes over what a receiver has counted.
func (t *tally) settle(n receiverCounts) {
	t.received.Store(n.units + n.broken + n.withheld)
	refused := n.malformed + n.oversized
	t.lost.Store(n.broken - min(refused, n.broken)) // the unit in the making is not among the broken
	t.withheld.Store(n.withheld)
	t.malformed.Store(n.malformed)
	t.oversized.Store(n.oversized)
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
		},
	}
	if since := t.arrival.Load(); since > 0 {
		c.LastArrival = t.made.Add(time.Duration(since))
	}
	return c
}
