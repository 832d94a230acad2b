package app

import (
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
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/pipeline/sim"
)

// line is one pipeline's life: simulators, sessions, the graph, and the end of
// all of them in the opposite order.
type line struct {
	lineConfig
	sightings *sightings
	rate      rate // of the progress line
	media     media

	mu       sync.Mutex // guards what follows
	phase    phase
	began    time.Time // of frames
	ended    time.Time
	graph    *graph.Graph
	sessions []namedSession
	err      error
}

type lineConfig struct {
	spec     *config.Spec
	registry *pipeline.Registry
	log      *slog.Logger
	metrics  *metrics
	duration time.Duration
	frames   uint64
	openSim  bool // simulators offer what the file asks for
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
	phaseEnded    phase = "ended"
	phaseFailed   phase = "failed"
)

func newLine(cfg lineConfig) *line {
	return &line{lineConfig: cfg, sightings: newSightings(cfg.spec), phase: phaseStarting}
}

// leaveTimeout bounds how long a session is told that we go.
const leaveTimeout = 10 * time.Second

// run runs the pipeline until its sources end, ctx does, or something fails.
func (l *line) run(ctx context.Context) error {
	err := l.live(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
	l.phase, l.err = phaseEnded, err
	if err != nil {
		l.phase = phaseFailed
		return fmt.Errorf("%s: %w", l.spec.Name, err)
	}
	return nil
}

func (l *line) live(ctx context.Context) (err error) {
	stopSims, err := l.simulate(ctx)
	defer stopSims()
	if err != nil {
		return err
	}
	l.makeSessions()
	g, err := graph.Build(graph.Config{
		Spec: l.spec, Log: l.log, Clock: pipeline.SystemClock{}, Metrics: l.metrics.registry,
		Session: l.session, MaxFrames: l.frames, OnWrite: l.sightings.look,
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.graph = g
	l.mu.Unlock()
	defer func() { err = errors.Join(err, l.closeSessions(ctx)) }()
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := l.openSessions(ctx, g); err != nil {
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
	l.mu.Lock()
	l.phase, l.began = phaseRunning, time.Now()
	l.mu.Unlock()
	return g.Run(ctx)
}

// simulate starts the simulators that sessions of the file ask for and points
// the sessions at them.
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
		cfg := simConfig(l.spec, spec, l.openSim, l.log)
		s, err := sim.Serve(context.WithoutCancel(ctx), cfg)
		if err != nil {
			return stop, fmt.Errorf("session %q: simulator: %w", spec.Name, err)
		}
		running = append(running, s)
		spec.URL, spec.Local = s.URL(), true
		l.log.Info("simulator ready", "url", s.URL(), "clip", cfg.Clip)
	}
	return stop, nil
}

func (l *line) makeSessions() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, spec := range l.spec.Sessions {
		l.sessions = append(l.sessions, namedSession{spec.Name, session.New(session.Config{
			Spec: spec, Codecs: wantedCodecs(l.spec, spec.Name),
			Log: l.log.With("session", spec.Name), Clock: pipeline.SystemClock{},
		})})
	}
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

// openSessions connects, lets sinks compare themselves with the model, and runs
// the start commands.
func (l *line) openSessions(ctx context.Context, g *graph.Graph) error {
	for _, s := range l.sessions {
		if err := s.Open(ctx); err != nil {
			return err
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

// closeSessions tells every server, also when ctx is over.
func (l *line) closeSessions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	var errs []error
	for _, s := range l.sessions {
		if err := s.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("session %q: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}
