package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Config is what a graph is made of.
type Config struct {
	// Spec is the checked file.
	Spec *config.Spec
	// Log is what nodes log to, with their names; nil is silence.
	Log *slog.Logger
	// Clock is where all time comes from; nil is the real time.
	Clock pipeline.Clock
	// Metrics takes the graph's metrics and the nodes' own while the graph
	// lives; nil takes none.
	Metrics prometheus.Registerer
	// Session returns a session of the file; nil where there are none.
	Session func(name string) pipeline.Session
	// Still makes files of frames' pictures, for nodes; nil where nobody can.
	Still func(*pipeline.Frame, pipeline.Still) (pipeline.Upload, error)
	// MaxFrames ends each source of pictures once so many frames have entered;
	// 0 does not.
	MaxFrames uint64
	// Drain is how long the frames in flight have to reach their sinks, and the
	// sinks to close, once the run is to end; 10 s where zero.
	Drain time.Duration
	// OnFrame, if set, is called with each frame of a source, lent, and the session
	// that the source belongs to, before there is room for it or not. It is called
	// from as many goroutines as there are sources, and holds them up.
	OnFrame func(session string, f *pipeline.Frame)
	// OnWrite, if set, is called after each Write that succeeded, with the
	// frame, lent, and the time. It is called from as many goroutines as there
	// are sinks.
	OnWrite func(sink string, f *pipeline.Frame, at time.Time)
	// OnTrace, if set, is given the record of each frame's way when that is over,
	// those that found no room included. See [pipeline.NewTrace] for how it is
	// called. Without it nothing is recorded.
	OnTrace func(*pipeline.Trace)
	// CheckFrames ends the run with the name of the node that wrote to pixels
	// which are not its own, or that closed without releasing the frames that it
	// kept. It looks at every byte before and after each call. The build tag
	// framecheck has every graph do so.
	CheckFrames bool
}

// Graph is a pipeline that can run once.
type Graph struct {
	cfg     Config
	log     *slog.Logger
	began   time.Time // what the nodes' times count from
	room    int       // slots of each source
	sources []*entrance
	layout  atomic.Pointer[layout]
	counts  map[string]*counts // by node
	metrics *metrics
	latency histogram // of all sinks
	sent    *pipeline.Sent

	begun atomic.Bool
	over  chan struct{}      // closed when the run ends, or cannot begin any more
	late  atomic.Bool        // frames in flight are not worked on any more
	stop  context.CancelFunc // ends the sources' reading; set by Run
	look  chan struct{}      // has the watch look again
	hurry atomic.Bool        // a reload can wait no longer for frames in flight

	reloading sync.Mutex   // held by the Reload under way
	changes   chan *change // from there to Run
	leaving   []*node      // replaced, and not ended yet; Run's

	mu     sync.Mutex // guards what follows
	cause  error      // the first that ended the run
	errors []error    // of closing nodes
}

// defaultDrain is what SIGTERM allows for.
const defaultDrain = 10 * time.Second

// Build makes the sources, stages and sinks of the file. It starts nothing; what
// a kind's New opens is closed by [Graph.Close]. The error tells of every node
// that could not be made.
func Build(cfg Config) (*Graph, error) {
	if cfg.Clock == nil {
		cfg.Clock = pipeline.SystemClock{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Drain == 0 {
		cfg.Drain = defaultDrain
	}
	g := &Graph{
		cfg: cfg, log: cfg.Log, began: cfg.Clock.Now(), room: max(cfg.Spec.MaxInFlight, 1),
		counts: make(map[string]*counts), sent: pipeline.NewSent(), over: make(chan struct{}), look: make(chan struct{}, 1), changes: make(chan *change),
	}
	g.metrics = newMetrics(g, cfg.Metrics)
	if err := g.build(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.metrics.register(g.metrics) // who asks from here on finds all nodes
	return g, nil
}

// now returns the time since the graph was built.
func (g *Graph) now() time.Duration { return g.cfg.Clock.Now().Sub(g.began) }

// Close closes what Build made if Run has not. It is safe to call twice.
func (g *Graph) Close() error {
	if g.begun.Swap(true) {
		return nil
	}
	var errs []error
	for _, e := range g.sources {
		errs = append(errs, e.close())
	}
	close(g.over)
	l := g.layout.Load()
	for _, s := range l.stages {
		s.close()
	}
	for _, s := range l.sinks {
		errs = append(errs, s.close())
	}
	g.metrics.unregister()
	return errors.Join(append(errs, g.errors...)...)
}

// SessionReady has the nodes that use the named session compare themselves with
// it, stages and sinks between two of their frames. The error names those
// that object.
func (g *Graph) SessionReady(ctx context.Context, session string) error {
	var errs []error
	for _, e := range g.sources {
		u, ok := e.source.(pipeline.SessionUser)
		if !ok || e.spec.Session != session {
			continue
		}
		if err := ask(ctx, u); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: source %q: %w", g.cfg.Spec.Path, e.spec.Line, e.name, err))
		}
	}
	l := g.layout.Load()
	for _, s := range l.stages {
		if s.spec.Load().Session == session {
			errs = append(errs, s.sessionReady(ctx, l.spec))
		}
	}
	for _, s := range l.sinks {
		if s.spec.Load().Session == session {
			errs = append(errs, s.sessionReady(ctx, l.spec))
		}
	}
	return errors.Join(errs...)
}

// sessionReady compares the stage with its session.
func (s *stage) sessionReady(ctx context.Context, of *config.Spec) error {
	for _, i := range s.instances {
		if err := i.sessionReady(ctx); err != nil {
			return at(of, "stage", s.spec.Load().Node, err)
		}
	}
	return nil
}

// sessionReady compares the sink with its session.
func (s *sink) sessionReady(ctx context.Context, of *config.Spec) error {
	if err := s.hooks.sessionReady(ctx); err != nil {
		return at(of, "sink", s.spec.Load().Node, err)
	}
	return nil
}

// at says where in its file a node with an error is.
func at(of *config.Spec, what string, n config.Node, err error) error {
	return fmt.Errorf("%s:%d: %s %q: %w", of.Path, n.Line, what, n.Name, err)
}

// fail ends the run; the first cause is the one that Run returns.
func (g *Graph) fail(cause error) {
	g.mu.Lock()
	if g.cause == nil {
		g.cause = cause
	}
	g.mu.Unlock()
	g.stop()
}

// closed notes an error of closing a node.
func (g *Graph) closed(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.errors = append(g.errors, err)
}

// aborted says that frames in flight are not to be worked on any more.
func (g *Graph) aborted() bool { return g.late.Load() }

// lastMessage returns what a message source yielded last.
func (g *Graph) lastMessage(source string) (pipeline.Message, bool) {
	for _, e := range g.sources {
		if e.name != source {
			continue
		}
		if m := e.last.Load(); m != nil {
			return *m, true
		}
	}
	return pipeline.Message{}, false
}
