package sessiontest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Server is a running model behind its HTTP address. All methods may be called
// from any goroutine.
type Server struct {
	cfg      Config
	model    Model
	commands atomic.Pointer[[]Command] // that the model takes now
	log      *slog.Logger
	http     *http.Server
	url      string
	outputs  map[string]*Output
	started  time.Time
	trouble  trouble
	journal  journal
	results  results
	counters counters

	// ctx ends with the server: what belongs to a server and not to a call has
	// it from here.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once

	mu       sync.Mutex // guards what follows; taken before a session's
	sessions map[string]*session
	ended    map[string]bool // sessions of the cloud that are over
	local    *session        // nil between sessions
	closing  bool            // the local session is on its way out
	tokens   map[string]tokenScope
	shut     bool // no more sessions
	crashed  bool
	// recordings by their ids, of sessions that run or ended not long ago.
	recordings map[string]*recorder
}

// New serves a model for the length of a test, on a port of its own. The test
// fails if the model is not a possible one.
func New(t testing.TB, m Model) *Server {
	t.Helper()
	return NewConfig(t, Config{Model: m})
}

// NewConfig is [New] with more to say.
func NewConfig(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Serve(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatalf("sessiontest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Serve listens and answers until ctx ends or Close is called. Close is needed
// in both cases: it waits.
func Serve(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	l, err := cfg.listen(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, model: cfg.Model, log: cfg.Logger,
		url:        "http://" + l.Addr().String(),
		started:    time.Now(),
		outputs:    map[string]*Output{},
		sessions:   map[string]*session{},
		ended:      map[string]bool{},
		tokens:     map[string]tokenScope{},
		recordings: map[string]*recorder{},
	}
	s.commands.Store(&cfg.Model.Commands)
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
	}
	s.journal.boot()
	s.play()
	s.wg.Go(func() { s.serve(l) })
	s.wg.Go(func() {
		<-s.ctx.Done()
		_ = s.http.Close() // nothing is lost: sessions are told and drained by Close
	})
	return s, nil
}

func (c Config) listen(ctx context.Context) (net.Listener, error) {
	if c.Memory != nil {
		return c.Memory.listen(), nil
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
}

func (s *Server) serve(l net.Listener) {
	if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("http server", "err", err)
	}
}

// URL is the address of the server, "http://host:port".
func (s *Server) URL() string { return s.url }

// Close ends all sessions and waits until nothing of the server is left. It is
// not to be called from a handler or hook of the model.
func (s *Server) Close() {
	s.once.Do(func() {
		s.mu.Lock()
		s.shut = true
		s.mu.Unlock()
		s.EndSessions("Session ended: the server is shutting down.")
		s.cancel()
		s.wg.Wait()
		s.removeRecordings()
	})
	s.wg.Wait()
}

// ServeHTTP answers one request as the server's address does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

// Schema is the OpenAPI document of the model.
func (s *Server) Schema() map[string]any { return s.surface().schema() }

// SetCommands changes what the model takes, and its schema, from now on: what a
// client finds that comes back to a server of another version. Commands that no
// model can have are an error, and change nothing.
func (s *Server) SetCommands(commands ...Command) error {
	if err := validateCommands(commands); err != nil {
		return err
	}
	commands = slices.Clone(commands)
	s.commands.Store(&commands)
	return nil
}

// surface is the model as it is now.
func (s *Server) surface() Model {
	m := s.model
	m.Commands = *s.commands.Load()
	return m
}

// Broadcast sends a model message to every client of every session, and to those
// that connect at the moment. Nothing goes out to a client before its first
// frame has told the codec that it speaks.
func (s *Server) Broadcast(typ string, data map[string]any) {
	for _, x := range s.live() {
		x.tell(typ, data)
	}
}

// Connections counts the clients that the model knows: a new one counts a moment
// after its own side is ready, a lost one until the loss is noticed.
func (s *Server) Connections() int {
	n := 0
	for _, x := range s.live() {
		n += x.connected()
	}
	return n
}

// Sessions counts the sessions that run now.
func (s *Server) Sessions() int { return len(s.live()) }

// EndSessions ends every session. A reason is told to the clients first; none
// is told if it is empty. It returns when they are over.
func (s *Server) EndSessions(reason string) {
	s.endAll(ending{why: "stopped", notice: reason})
}

// Moderate ends every session with the notice of a policy violation.
func (s *Server) Moderate() {
	s.endAll(ending{why: "moderated", moderated: true})
}

// Crash ends every session as a model does that falls over: without a word, and
// with no more sessions until [Server.Restart]. Recordings lose their end.
func (s *Server) Crash() {
	s.mu.Lock()
	s.crashed = true
	s.mu.Unlock()
	s.endAll(ending{why: "error", crash: true})
}

// Restart lets sessions start again after a crash.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = false
}

func (s *Server) endAll(e ending) {
	all := s.all()
	for _, x := range all {
		x.end(e)
	}
	for _, x := range all {
		<-x.over
	}
}

// live are the sessions that clients can use.
func (s *Server) live() []*session {
	var live []*session
	for _, x := range s.all() {
		if x.alive() {
			live = append(live, x)
		}
	}
	return live
}

func (s *Server) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for _, x := range s.sessions {
		all = append(all, x)
	}
	return all
}
