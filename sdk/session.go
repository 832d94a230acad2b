package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Status is what a session does now.
type Status string

// The statuses of a session.
const (
	StatusConnecting   Status = "connecting"   // the session is being made or joined
	StatusWaiting      Status = "waiting"      // it exists; the connection is negotiated
	StatusReady        Status = "ready"        // connected, both channels open
	StatusReconnecting Status = "reconnecting" // lost, being tried again
	StatusDisconnected Status = "disconnected" // over
)

// Session is one connection to a model session. All methods are safe for
// concurrent use. It reconnects by itself; [Session.Done] says when it is over
// for good. Close it in any case.
type Session struct {
	cfg    Config
	log    *slog.Logger
	api    *api
	id     string
	ours   bool
	caps   Capabilities
	info   Info
	schema *Schema // to check commands against, nil for none
	tracks []*Track

	dataIDs    atomic.Uint64 // request ids are never used twice, over reconnects too
	controlIDs atomic.Uint64
	rtt        atomic.Int64 // nanoseconds
	// connectTook is how long connecting took, in nanoseconds; 0 when told.
	connectTook atomic.Int64
	lastError   atomic.Pointer[error]
	messages    topic[Message]
	events      topic[Event]
	pacer       pacer

	stop    context.CancelFunc // ends run
	ended   chan struct{}      // closed by run when all is over
	closing sync.Once
	closed  error // of the closing, set under it

	mu         sync.Mutex // guards what follows
	status     Status
	conn       *conn // nil unless ready
	connID     uint32
	epoch      int
	bounds     BitrateBounds
	hasOffered bool  // connID has carried a connection
	leaving    bool  // we are closing: a loss is no loss
	notice     error // the server's word that the session is over
	err        error // why it is over
}

// Connect opens the session that cfg names and returns when it is ready: data
// flows, received tracks have been resumed. A session that it created is ended
// when something later fails. The context bounds the connecting only.
func Connect(ctx context.Context, cfg Config) (*Session, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Session{
		cfg: cfg, log: cfg.Logger, api: newAPI(cfg), ended: make(chan struct{}), status: StatusConnecting, bounds: cfg.Bitrate,
		messages: topic[Message]{depth: messageDepth, missed: func(m *Message, n int) { m.Missed = n }},
		events:   topic[Event]{depth: eventDepth},
	}
	s.events.seen = s.noteError
	c, err := s.open(ctx)
	if err != nil {
		s.abandon(ctx)
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.run(life, c)
	return s, nil
}

func (s *Session) open(ctx context.Context) (*conn, error) {
	begun := time.Now()
	r, err := s.api.start(ctx, s.cfg)
	if err != nil {
		return nil, err
	}
	s.id, s.ours = r.SessionID, s.cfg.SessionID == ""
	if s.ours {
		s.cfg.took(StepCreated)
	}
	s.api.tokens.bind(s.id)
	s.setStatus(StatusWaiting)
	s.log.Debug("session created", "session_id", s.id, "adopted", !s.ours)
	if r, err = s.api.await(ctx, r); err != nil {
		return nil, err
	}
	if err := r.agrees(s.cfg.Generation); err != nil {
		return nil, err
	}
	if err := checkTracks(r.Capabilities.Tracks); err != nil {
		return nil, err
	}
	s.caps, s.info = *r.Capabilities, r.info()
	s.cfg.took(StepSession)
	for _, info := range s.caps.Tracks {
		s.tracks = append(s.tracks, newTrack(s, info))
	}
	s.connID = s.cfg.ConnectionID
	c, err := s.dial(ctx, "connect")
	if err != nil {
		return nil, err
	}
	s.connectTook.Store(int64(time.Since(begun)))
	s.attach(ctx, c)
	if err := s.readSchema(ctx, c); err != nil {
		c.close()
		return nil, err
	}
	s.log.Debug("session connected", "session_id", s.id, "connection_id", s.ConnectionID(), "after", time.Since(begun).Round(time.Millisecond))
	return c, nil
}

// abandon undoes a connect that failed.
func (s *Session) abandon(ctx context.Context) {
	if s.ours {
		s.terminate(ctx)
	}
	s.setStatus(StatusDisconnected)
	s.api.close()
}

// String names the session; it shows no secret.
func (s *Session) String() string { return "session " + s.id }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// ID returns the session's id.
func (s *Session) ID() string { return s.id }

// ConnectionID returns the id of this connection to the session.
func (s *Session) ConnectionID() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connID
}

// Status returns what the session does now.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Capabilities returns what the model declared. It does not change.
func (s *Session) Capabilities() Capabilities {
	c := s.caps
	c.Tracks, c.Commands = slices.Clone(c.Tracks), slices.Clone(c.Commands)
	return c
}

// Info returns what the server said of the session when it was joined.
func (s *Session) Info() Info { return s.info }

// Generation returns [Streamed] or [Stepped].
func (s *Session) Generation() string { return s.cfg.Generation }

// Track returns the handle of a declared track, the same one each time.
func (s *Session) Track(name string) (*Track, error) {
	names := make([]string, len(s.tracks))
	for i, t := range s.tracks {
		if t.info.Name == name {
			return t, nil
		}
		names[i] = t.info.Name
	}
	e := gpuErrorf(CodeNotFound, "track", "unknown track %q; the model has %s", name, list(names))
	return nil, e
}

// Done is closed when the session is over for good: ended by the server, lost
// for longer than the window, or closed.
func (s *Session) Done() <-chan struct{} { return s.ended }

// Err says why the session is over, nil before that. It is [ErrClosed] after
// Close, End and Leave, and matches [ErrSessionEnded] where the server ended it.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// LastError returns the error of the last event that carried one, nil before.
func (s *Session) LastError() error {
	if err := s.lastError.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *Session) noteError(e Event) {
	if e.Err != nil {
		s.lastError.Store(&e.Err)
	}
}

// Messages yields what the model says, from the call on, until ctx ends or the
// session does; replies to commands are among it. A reader that is more than
// 1024 behind loses the oldest and is told how many. Leaving the loop ends the
// subscription.
func (s *Session) Messages(ctx context.Context) iter.Seq[Message] { return s.messages.subscribe(ctx) }

// Events yields changes of the session, from the call on, until ctx ends or the
// session does; the last one says why. Leaving the loop ends the subscription.
func (s *Session) Events(ctx context.Context) iter.Seq[Event] { return s.events.subscribe(ctx) }

// RTT returns the connection's round-trip time, 0 before it was measured.
func (s *Session) RTT() time.Duration { return time.Duration(s.rtt.Load()) }

// Schema returns the model's OpenAPI document as it is now. [ParseSchema] reads it.
func (s *Session) Schema(ctx context.Context) (json.RawMessage, error) {
	const op = "request_schema"
	c, err := s.ready(op)
	if err != nil {
		return nil, err
	}
	return c.schema(ctx, op)
}

// readSchema gets what commands are checked against, where they are.
func (s *Session) readSchema(ctx context.Context, c *conn) error {
	if !s.cfg.CheckCommands {
		return nil
	}
	document, err := c.schema(ctx, "connect")
	if ctx.Err() != nil {
		return interrupted(ctx, componentGPU, "connect")
	}
	if err == nil {
		s.schema, err = ParseSchema(document)
	}
	if err != nil {
		s.log.Warn("no model schema, commands go unchecked", "err", err)
	}
	return nil
}

// ready returns the live connection.
func (s *Session) ready(op string) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		if s.err != nil {
			return nil, over(op, s.err)
		}
		return nil, notReady(op, s.status)
	}
	return s.conn, nil
}

// over is the error of a call after the end.
func over(op string, why error) *Error {
	e := gpuErrorf(CodeInvalidState, op, "the session is over: %v", why)
	e.cause = why
	return e
}

func (s *Session) setStatus(status Status) {
	s.mu.Lock()
	changed := s.status != status
	s.status = status
	s.mu.Unlock()
	if changed {
		s.events.publish(Event{Type: EventStatus, Status: status, At: time.Now()})
	}
}

func (s *Session) requestID(prefix string, n *atomic.Uint64) string {
	return fmt.Sprintf("%s_%d", prefix, n.Add(1))
}
