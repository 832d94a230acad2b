package preview

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// window is how many frames figures are taken over: four seconds at 30 fps.
	window = 120
	// stale is the age at which frames no longer count as coming.
	stale = 3 * time.Second
	// describeEvery is how often the newest frame's annotations are noted.
	describeEvery = 100 * time.Millisecond
)

// status is what the page tells besides the picture.
type status struct {
	node   string
	began  time.Time
	ledger pipeline.Ledger      // nil without one
	meter  pipeline.EffectMeter // nil without one

	mu        sync.Mutex // guards all below
	frames    uint64
	written   [window]time.Time
	latency   [window]time.Duration // negative: not known
	frame     json.RawMessage       // the newest that was described
	described time.Time
	meta      pipeline.Meta
}

func newStatus(env pipeline.Env) *status {
	ledger, _ := env.Session.(pipeline.Ledger)
	meter, _ := env.Session.(pipeline.EffectMeter)
	return &status{node: env.Name, began: env.Clock.Now(), ledger: ledger, meter: meter}
}

// saw notes that f was written.
func (s *status) saw(f *pipeline.Frame, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.frames % window
	s.written[i], s.latency[i] = now, -1
	if !f.Arrival.IsZero() {
		s.latency[i] = now.Sub(f.Arrival)
	}
	s.frames++
	s.meta = f.Meta
	if now.Sub(s.described) < describeEvery {
		return nil
	}
	frame, err := f.JSON(now)
	if err != nil {
		return err
	}
	s.frame, s.described = frame, now
	return nil
}

// report is the status as the page gets it.
type report struct {
	Node      string          `json:"node"`
	Stream    string          `json:"stream"`
	Seq       uint64          `json:"seq"`
	Width     int             `json:"width"`
	Height    int             `json:"height"`
	Frames    uint64          `json:"frames"`
	FPS       float64         `json:"fps"`
	LatencyMS quantiles       `json:"latency_ms"`
	RunningS  float64         `json:"running_s"`
	Viewers   int             `json:"viewers"`
	Session   bool            `json:"session"`
	Frame     json.RawMessage `json:"frame,omitempty"`
	// Effects are what commands did to the picture.
	Effects []pipeline.Effects `json:"effects,omitempty"`
}

// quantiles are in milliseconds; null where nothing is known.
type quantiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
}

// report returns the status at now.
func (s *status) report(now time.Time, viewers int) report {
	var effects []pipeline.Effects
	if s.meter != nil {
		effects = s.meter.Effects()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return report{
		Node: s.node, Stream: s.meta.Stream, Seq: s.meta.Seq,
		Width: s.meta.Width, Height: s.meta.Height, Frames: s.frames,
		FPS: s.fps(now), LatencyMS: s.latencies(now), RunningS: now.Sub(s.began).Seconds(),
		Viewers: viewers, Session: s.ledger != nil, Frame: s.frame, Effects: effects,
	}
}

// fps is called with mu held.
func (s *status) fps(now time.Time) float64 {
	n := min(s.frames, window)
	if n < 2 {
		return 0
	}
	newest := s.written[(s.frames-1)%window]
	oldest := s.written[(s.frames-n)%window]
	if now.Sub(newest) > stale || !newest.After(oldest) {
		return 0
	}
	return float64(n-1) / newest.Sub(oldest).Seconds()
}

// latencies is called with mu held.
func (s *status) latencies(now time.Time) quantiles {
	var known []time.Duration
	for i := range min(s.frames, window) {
		if s.latency[i] >= 0 && now.Sub(s.written[i]) <= stale {
			known = append(known, s.latency[i])
		}
	}
	if len(known) == 0 {
		return quantiles{}
	}
	slices.Sort(known)
	at := func(q float64) *float64 {
		ms := float64(known[int(q*float64(len(known)-1))].Microseconds()) / 1000
		return &ms
	}
	return quantiles{P50: at(0.5), P95: at(0.95)}
}

// maxCommands is how many records the page gets when it opens.
const maxCommands = 100

// commands returns the newest records after the first n, and the number of all.
func (s *status) commands(n uint64) ([]pipeline.CommandRecord, uint64) {
	if s.ledger == nil {
		return nil, n
	}
	records, all := s.ledger.Commands(n)
	return records[max(0, len(records)-maxCommands):], all
}
