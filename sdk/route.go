package sdk

import (
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// route follows the pair of candidates that a connection runs over.
type route struct {
	mu       sync.Mutex // guards what follows
	pair     pairID
	received rate // bytes
	sent     rate
}

type pairID struct{ local, remote string }

// look is called about once a second with the counters of the live pair.
func (r *route) look(now time.Time, pair webrtc.ICECandidatePairStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := (pairID{pair.LocalCandidateID, pair.RemoteCandidateID}); id != r.pair {
		r.pair, r.received, r.sent = id, rate{}, rate{}
	}
	r.received.tick(now, pair.BytesReceived)
	r.sent.tick(now, pair.BytesSent)
}

func (r *route) live() pairID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pair
}

// rates are the bit/s of the last second, nil where they were not measured.
func (r *route) rates() (incoming, outgoing *float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received.bits(), r.sent.bits()
}
