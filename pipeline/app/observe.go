package app

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// sightings are how many things each stage that detects saw last.
type sightings struct {
	mu     sync.Mutex // guards what follows
	stages []string   // in the order of the file
	last   map[string]int
}

func newSightings(spec *config.Spec) *sightings {
	s := &sightings{last: make(map[string]int)}
	s.of(spec)
	return s
}

// of looks at the stages of spec from here on.
func (s *sightings) of(spec *config.Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stages = nil
	for _, stage := range spec.Stages {
		if detects(stage.Sets) {
			s.stages = append(s.stages, stage.Name)
		}
	}
}

// detects says that detections are among what a stage sets.
func detects(sets []pipeline.AnyKind) bool {
	return slices.ContainsFunc(sets, func(k pipeline.AnyKind) bool { return k.Name() == pipeline.Detections.Name() })
}

// look takes the numbers from a frame that reached a sink.
func (s *sightings) look(_ string, f *pipeline.Frame, _ time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stage := range s.stages {
		if found, ok := pipeline.GetFrom(f, stage, pipeline.Detections); ok {
			s.last[stage] = len(found)
		}
	}
}

func (s *sightings) list() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []seen
	for _, stage := range s.stages {
		if n, ok := s.last[stage]; ok {
			all = append(all, seen{stage, n})
		}
	}
	return all
}

// progress returns where the pipeline is; false while no frames flow.
func (l *line) progress() (progress, bool) {
	l.mu.Lock()
	running, began, g, sessions := l.phase == phaseRunning, l.began, l.graph, l.sessions
	l.mu.Unlock()
	if !running {
		return progress{}, false
	}
	st, now := g.Stats(), time.Now()
	p := progress{elapsed: now.Sub(began), seen: l.sightings.list(), latency: inMilliseconds(st.Latency)}
	for _, s := range pictureSources(st) {
		p.frames += s.In
		p.dropped += total(s.Dropped)
		if s.Source != nil {
			p.dropped += total(s.Source.Dropped)
		}
	}
	l.mu.Lock()
	p.fps = l.rate.at(now, p.frames)
	l.mu.Unlock()
	if lost := slices.IndexFunc(sessions, func(s namedSession) bool { return s.Status() != sdk.StatusReady }); lost >= 0 {
		p.session = sessions[lost].Status()
	}
	for _, n := range l.commandCounts() {
		p.commands += n
	}
	return p, true
}

// rate is frames a second since the last look, or since when.
type rate struct {
	when   time.Time
	frames uint64
}

func (r *rate) at(now time.Time, frames uint64) float64 {
	fps := 0.0
	if d := now.Sub(r.when); d > 0 {
		fps = float64(frames-r.frames) / d.Seconds()
	}
	r.when, r.frames = now, frames
	return fps
}

func pictureSources(st graph.Stats) []graph.NodeStats {
	return slices.DeleteFunc(slices.Clone(st.Sources), func(n graph.NodeStats) bool { return n.Messages })
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func inMilliseconds(q graph.Quantiles) quantiles {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return quantiles{P50: ms(q.P50), P95: ms(q.P95), P99: ms(q.P99), Max: ms(q.Max)}
}

// quantilesOf is exact, for times that are few.
func quantilesOf(times []time.Duration) quantiles {
	if len(times) == 0 {
		return quantiles{}
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(share float64) time.Duration { return sorted[int(share*float64(len(sorted)-1)+0.5)] }
	return inMilliseconds(graph.Quantiles{P50: at(0.5), P95: at(0.95), P99: at(0.99), Max: at(1)})
}

// commandCounts adds up the ledgers of all sessions.
func (l *line) commandCounts() map[pipeline.Outcome]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make(map[pipeline.Outcome]uint64)
	for _, s := range l.sessions {
		for outcome, n := range s.CommandCounts() {
			counts[outcome] += n
		}
	}
	return counts
}

// effects are those of the commands of all sessions.
func (l *line) effects() []pipeline.Effects {
	l.mu.Lock()
	sessions := l.sessions
	l.mu.Unlock()
	var all []pipeline.Effects
	for _, s := range sessions {
		all = append(all, s.Effects()...)
	}
	return all
}

// summary returns what the run came to.
func (l *line) summary() *pipelineSummary {
	l.mu.Lock()
	began, ended, g, err, sessions := l.began, l.ended, l.graph, l.err, l.sessions
	l.mu.Unlock()
	s := &pipelineSummary{
		Name: l.spec.Name, Error: oneLine(err), began: began,
		figures: figures{Frames: frameCounts{Dropped: make(map[string]uint64)}, Commands: l.commandCounts()},
	}
	if !s.flowed() {
		return s
	}
	st := g.Stats()
	s.figures = l.figures(st, ended.Sub(began))
	for _, n := range slices.Concat(st.Sources, st.Stages, st.Sinks) {
		s.Nodes = append(s.Nodes, nodeSummary{
			Name: n.Name, In: n.In, Frames: n.Out, Errors: n.Errors, Dropped: n.Dropped, Skipped: n.Skipped,
			Process: inMilliseconds(n.Process),
		})
	}
	for _, session := range sessions {
		records, _ := session.Commands(0)
		s.CommandList = append(s.CommandList, records...)
	}
	slices.SortStableFunc(s.CommandList, func(a, b pipeline.CommandRecord) int { return a.Time.Compare(b.Time) })
	return s
}

// figures returns what frames that flowed for so long came to.
func (l *line) figures(st graph.Stats, flowed time.Duration) figures {
	f := figures{
		Seconds: thousandths(flowed.Seconds()), Latency: inMilliseconds(st.Latency), Commands: l.commandCounts(),
		Frames: frameCounts{Dropped: make(map[string]uint64)},
	}
	entered := uint64(0)
	for _, n := range pictureSources(st) {
		entered += n.In
		f.addSource(n)
	}
	f.RenewalGap, f.Effects = quantilesOf(f.gaps), l.effects()
	if f.Seconds > 0 {
		f.FPS = thousandths(float64(entered) / f.Seconds)
	}
	return f
}

// addSource adds what a source counted, before its pictures were frames and at
// the entrance of the graph.
func (f *figures) addSource(n graph.NodeStats) {
	received, decoded, dropped := n.In, n.In, maps.Clone(n.Dropped)
	if c := n.Source; c != nil {
		received, decoded = c.Received, c.Decoded
		f.KeyframeRequests += c.KeyframeRequests
		f.Reconnects += c.Reconnects
		f.Renewals += c.Renewals
		f.gaps = append(f.gaps, c.RenewalGaps...)
		for reason, k := range c.Dropped {
			dropped[reason] += k
		}
	}
	f.Frames.Received += received
	f.Frames.Decoded += decoded
	for reason, k := range dropped {
		if k > 0 {
			f.Frames.Dropped[reason] += k
		}
	}
}

// mediaState says whether pictures flow.
type mediaState string

// A model that is silent on purpose is idle, not broken.
const (
	mediaPlaying mediaState = "playing" // pictures come
	mediaIdle    mediaState = "idle"    // nothing comes
	mediaStalled mediaState = "stalled" // packets come, but no pictures

	mediaRenewing mediaState = "renewing" // the session's place is being taken by another
)

// freshMedia is how old the newest picture may be for media to be playing.
const freshMedia = 2 * time.Second

// media tells from one look to the next whether pictures flow.
type media struct {
	mu     sync.Mutex // guards what follows
	frames uint64
	moved  time.Time
}

func (m *media) at(now time.Time, st graph.Stats) mediaState {
	m.mu.Lock()
	defer m.mu.Unlock()
	frames, packets := uint64(0), time.Time{} // zero: no source counts them
	for _, s := range pictureSources(st) {
		frames += s.In
		if s.Source != nil && s.Source.LastArrival.After(packets) {
			packets = s.Source.LastArrival
		}
	}
	if frames != m.frames {
		m.frames, m.moved = frames, now
	}
	coming := now.Sub(packets) < freshMedia
	switch {
	case now.Sub(m.moved) < freshMedia && (coming || packets.IsZero()):
		return mediaPlaying
	case coming:
		return mediaStalled
	}
	return mediaIdle
}
