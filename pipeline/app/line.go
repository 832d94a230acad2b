package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/pipeline/sim"
	"github.com/reactorpipe/reactorpipe/pipeline/traces"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// line is one pipeline's life: simulators, sessions, the graph, and the end of
// all of them in the opposite order.
type line struct {
	lineConfig
	loops     loops
	sightings *sightings
	media     media
	flowing   chan struct{} // closed once frames flow
	gone      chan struct{} // closed at the end

	mu       sync.Mutex // guards what follows
	phase    phase
	began    time.Time // of frames
	ended    time.Time
	rate     rate // of the progress line
	graph    *graph.Graph
	peers    []config.Session // the file's, with the addresses of simulators
	sessions []namedSession
	drift    error // what a reconnect has brought that does not fit the file
	err      error
}

type lineConfig struct {
	spec     *config.Spec
	log      *slog.Logger
	metrics  *metrics
	traces   *traces.Exporter
	duration time.Duration // 0: no end
	frames   uint64        // 0: no end
	asWanted bool          // simulators offer what the file wants of its model
	check    bool          // frames
}

type namedSession struct {
	name string
	*session.Session
}

// phase is where a pipeline is in its life.
type phase string

const (
	phaseStarting phase = "starting"
	phaseRunning  phase = "running"
	phaseEnding   phase = "ending" // no more frames; sessions are told
	phaseEnded    phase = "ended"
	phaseFailed   phase = "failed"
)

func newLine(cfg lineConfig) *line {
	return &line{
		lineConfig: cfg, sightings: newSightings(cfg.spec), phase: phaseStarting,
		peers: slices.Clone(cfg.spec.Sessions), flowing: make(chan struct{}), gone: make(chan struct{}),
	}
}

// What service managers allow between SIGTERM and SIGKILL is ten seconds: half
// for frames in flight and files, half for telling the server.
const (
	drainTimeout = 5 * time.Second
	leaveTimeout = 5 * time.Second
)

// run runs the pipeline until its sources end, ctx does, or something fails.
func (l *line) run(ctx context.Context) error {
	err := l.live(ctx)
	close(l.gone)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase, l.err = phaseEnded, err
	if err != nil {
		l.phase = phaseFailed
	}
	return err
}

func (l *line) live(ctx context.Context) (err error) {
	if err := keysThere(l.spec); err != nil {
		return err
	}
	stopSims, err := l.simulate(ctx)
	defer stopSims()
	if err != nil {
		return err
	}
	l.makeSessions()
	g, err := graph.Build(graph.Config{
		Spec: l.spec, Log: l.log, Clock: pipeline.SystemClock{}, Metrics: l.metrics.registry,
		Session: l.session, MaxFrames: l.frames, OnFrame: l.look, OnWrite: l.sightings.look, Drain: drainTimeout,
		OnTrace:     l.traces.Frames(l.spec.Name),
		CheckFrames: l.check, Still: mat.Still,
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.graph = g
	l.mu.Unlock()
	defer func() { l.closeSessions(ctx) }()
	defer func() { err = errors.Join(err, g.Close()) }()
	err = l.openSessions(ctx, g)
	switch {
	case ctx.Err() != nil:
		return nil // we are to end, whatever a session says to that
	case err != nil:
		return err
	}
	return l.flow(ctx, g)
}

// flow runs the graph, for as long as the flags say.
func (l *line) flow(ctx context.Context, g *graph.Graph) error {
	if l.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.duration)
		defer cancel()
	}
	now := time.Now()
	l.mu.Lock()
	l.phase, l.began, l.rate = phaseRunning, now, rate{when: now}
	l.mu.Unlock()
	close(l.flowing)
	err := l.runWatched(ctx, g)
	l.mu.Lock()
	l.phase, l.ended = phaseEnding, time.Now()
	l.mu.Unlock()
	return err
}

// simulate starts the simulators that sessions of the file ask for and points
// the line's sessions at them.
func (l *line) simulate(ctx context.Context) (stop func(), err error) {
	var running []*sim.Server
	stop = func() {
		for _, s := range running {
			if err := s.Close(); err != nil {
				l.log.Warn("simulator did not end well", "err", err)
			}
		}
	}
	for i := range l.spec.Sessions {
		spec := &l.spec.Sessions[i]
		if spec.Sim == nil {
			continue
		}
		cfg := simConfig(l.spec, spec, l.asWanted, l.log)
		s, err := sim.Serve(context.WithoutCancel(ctx), cfg)
		if err != nil {
			return stop, fmt.Errorf("session %q: simulator: %w", spec.Name, err)
		}
		running = append(running, s)
		l.mu.Lock()
		l.peers[i].URL, l.peers[i].Local = s.URL(), true
		l.mu.Unlock()
		l.about(spec.Name).Info("simulator ready", "url", s.URL(), "shows", cmp.Or(cfg.Loop, cfg.Clip, "a test pattern"))
	}
	return stop, nil
}

func (l *line) makeSessions() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, spec := range l.peers {
		l.sessions = append(l.sessions, namedSession{spec.Name, session.New(session.Config{
			Spec: spec, Codecs: wantedCodecs(l.spec, spec.Name),
			Log: l.about(spec.Name), Clock: pipeline.SystemClock{}, OnCommand: l.traces.Commands(l.spec.Name),
		})})
	}
}

// about returns the log of a session; an only one needs no name.
func (l *line) about(session string) *slog.Logger {
	if len(l.spec.Sessions) == 1 {
		return l.log
	}
	return l.log.With("session", session)
}

// wantedCodecs returns the codecs that the session's sources want to receive,
// in their order.
func wantedCodecs(spec *config.Spec, session string) []string {
	var codecs []string
	for _, s := range spec.Sources {
		if t, ok := s.Config.(*ingest.TrackConfig); ok && s.Session == session {
			for _, codec := range t.CodecNames() {
				if !slices.Contains(codecs, codec) {
					codecs = append(codecs, codec)
				}
			}
		}
	}
	return codecs
}

// session finds a session of the file; nil without one.
func (l *line) session(name string) pipeline.Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		if s.name == name {
			return s.Session
		}
	}
	return nil
}

// look has the session of a source look at its frame.
func (l *line) look(session string, f *pipeline.Frame) {
	if s, ok := l.session(session).(interface{ Look(f *pipeline.Frame) }); ok {
		s.Look(f)
	}
}

// openSessions connects, lets sinks compare themselves with the model, and runs
// the start commands.
func (l *line) openSessions(ctx context.Context, g *graph.Graph) error {
	for _, s := range l.sessions {
		if err := s.Open(ctx); err != nil {
			return hinted(err)
		}
		if err := g.SessionReady(ctx, s.name); err != nil {
			return err
		}
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// keysThere wants a key for each session in the cloud, which would refuse to make
// one. At another address there may be somebody who asks for none.
func keysThere(spec *config.Spec) error {
	for _, s := range spec.Sessions {
		if s.Sim == nil && !s.Local && s.URL == "" && s.APIKey == "" && s.Token == "" {
			return &configError{fmt.Errorf("%s:%d: session %q: no key for %s: set REACTOR_API_KEY, or api_key or token in the file", spec.Path, s.Line, s.Name, s.Model)}
		}
	}
	return nil
}

// hinted adds to a refused key where keys come from.
func hinted(err error) error {
	if errors.Is(err, sdk.ErrUnauthorized) {
		return fmt.Errorf("%w (the key comes from api_key or token in the file, or REACTOR_API_KEY or REACTOR_JWT)", err)
	}
	return err
}

// closeSessions tells every server, also when ctx is over. What comes of it
// changes nothing for this run: a server that is not told ends the session by
// itself.
func (l *line) closeSessions(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	for _, s := range l.sessions {
		if err := s.Close(ctx); err != nil {
			l.about(s.name).Debug("session not ended at the server", "err", err) // package sdk has warned
		}
	}
}
