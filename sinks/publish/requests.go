package publish

import (
	"math"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// minBitrate is the least that shows anything, in bit/s.
	minBitrate = 50_000
	// bitrateStep is the relative change from which on the encoder is told.
	bitrateStep = 0.1
	// keyframeStep is the relative change that is worth a keyframe where the
	// codec needs one, and keyframeRest the least time from one to that: a
	// keyframe costs what several pictures do.
	keyframeStep = 0.15
	keyframeRest = 2 * time.Second
	// keyframeEvery bounds what a receiver that keeps asking can cost. The
	// keyframe that is on its way answers all requests meanwhile.
	keyframeEvery = 300 * time.Millisecond
)

// requests is what the receiver asks for. The session may call it at any time.
type requests struct {
	clock pipeline.Clock
	most  int // bit/s

	mu     sync.Mutex // guards all below
	asked  bool       // for a keyframe
	begins bool       // the next picture follows nothing that was sent
	sent   time.Time  // of the last keyframe
	target int        // bit/s
}

func newRequests(clock pipeline.Clock, most int) *requests {
	return &requests{clock: clock, most: most, target: most}
}

// ask asks for a keyframe.
func (r *requests) ask() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = true
}

// begin has the next picture be a keyframe whatever was asked for.
func (r *requests) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begins = true
}

// keyframe says whether the next picture has to be one. It is then taken for
// sent.
func (r *requests) keyframe() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if !r.begins && (!r.asked || now.Sub(r.sent) < keyframeEvery) {
		return false
	}
	r.asked, r.begins, r.sent = false, false, now
	return true
}

// limit says what the connection can carry.
func (r *requests) limit(bps int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := max(minBitrate, min(bps, r.most))
	if change := math.Abs(float64(wanted - r.target)); change >= bitrateStep*float64(r.target) || wanted == r.most {
		r.target = wanted
	}
}

// bitrate returns what to aim at, in bit/s.
func (r *requests) bitrate() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.target
}
