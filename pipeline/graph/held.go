package graph

import (
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// held is the last result of a rated or async stage, which later frames carry
// until it is too old.
type held struct {
	mu      sync.Mutex // guards what follows
	ttl     time.Duration
	results pipeline.Results
	have    bool
	fresh   bool          // no frame has carried it
	from    time.Duration // PTS of the present scene's first frame
}

// defaultTTL is how long results are held if nothing is said; at a low rate it
// is two periods.
const defaultTTL = time.Second

// newHeld returns nil for a stage that sees every frame in line: it has nothing
// to hold.
func newHeld(ttl, period time.Duration, async bool) *held {
	if period == 0 && !async {
		return nil
	}
	if ttl == 0 {
		ttl = max(defaultTTL, 2*period)
	}
	return &held{ttl: ttl}
}

// keep remembers what the stage made of one frame. fresh says that no frame
// carries it yet.
func (h *held) keep(r pipeline.Results, fresh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results, h.have, h.fresh = r, !r.Empty(), fresh
}

// lay puts the last result on f unless it is too old or of another scene.
func (h *held) lay(f *pipeline.Frame) {
	r, fresh, ok := h.take(f.PTS)
	if ok {
		f.Hold(r, fresh)
	}
}

func (h *held) take(pts time.Duration) (r pipeline.Results, fresh, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	otherScene := h.results.PTS() < h.from && pts >= h.from
	if !h.have || otherScene || pts-h.results.PTS() > h.ttl {
		return pipeline.Results{}, false, false
	}
	fresh, h.fresh = h.fresh, false
	return h.results, fresh, true
}

// cut forgets what was seen before f where the scene is another since then.
func (h *held) cut(f *pipeline.Frame) {
	if f.Discontinuity == "" || f.Discontinuity == pipeline.Loss {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from = f.PTS
}
