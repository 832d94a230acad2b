package sessiontest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// localSession is the id of every session of a local runtime.
const localSession = "00000000-0000-0000-0000-000000000000"

// The states of a session, in the words of the local runtime.
const (
	stateWaiting   = "waiting"
	stateStreaming = "streaming"
	stateOrphaned  = "orphaned"
	stateClosing   = "closing"
)

// The limits of one session.
const (
	maxConnections = 64
	maxCandidates  = 256 // before the offer, for one connection
	maxEarlyIDs    = 128 // connections with candidates before their offer
	maxEvents      = 1024
)

// session is one allocation of the model.
type session struct {
	srv     *Server
	id      string
	cloud   bool
	stepped bool
	created time.Time
	log     *slog.Logger

	recording string    // the id of what is kept of the session
	recorder  *recorder // nil if it is not recorded

	// Steps, touched by events only.
	stepLimit int // 0 for none
	applied   int // calls of the starting input; -1 without one
	steps     uint64
	inputs    map[string][]StepFrame

	// events run one at a time: commands, connections coming and going.
	events chan func()
	ctx    context.Context // of the handlers; ends with the session
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything but the end itself
	over   chan struct{}  // closed when nothing of the session is left

	mu           sync.Mutex // guards what follows
	state        string
	system       bool                   // the starting input's client is there
	said         []object               // messages since the last step, where results are kept
	ends         *time.Timer            // the client-less window
	limit        *time.Timer            // the session's time limit
	connections  map[uint32]*connection // known to the model
	negotiations map[uint32]*connection // offered, not up yet
	answers      map[uint32]string      // not fetched yet
	minted       map[uint32]bool        // registered ids
	candidates   map[uint32][]candidate // before the offer
	slots        map[string]uint32      // published tracks, by who publishes
	uploads      map[string]*upload
}

// beginning is what a session starts with.
type beginning struct {
	id    string
	cloud bool
	limit time.Duration // 0 for none
	start
}

// ending is why a session ends and what its clients are told.
type ending struct {
	why       string // stopped, moderated, timed_out, error, start_refused
	notice    string
	moderated bool
	crash     bool
}

// newSession starts a session and files it. The caller holds s.mu.
func (s *Server) newSession(b beginning) (*session, error) {
	if b.recording == "" {
		b.recording = uuid()
	}
	x := &session{
		srv: s, id: b.id, cloud: b.cloud, stepped: b.stepped, recording: b.recording, created: time.Now(), state: stateWaiting,
		log:          s.log.With("session", b.id),
		events:       make(chan func(), maxEvents),
		over:         make(chan struct{}),
		connections:  map[uint32]*connection{},
		negotiations: map[uint32]*connection{},
		answers:      map[uint32]string{},
		minted:       map[uint32]bool{},
		candidates:   map[uint32][]candidate{},
		slots:        map[string]uint32{},
		uploads:      map[string]*upload{},
		inputs:       map[string][]StepFrame{},
	}
	if err := x.openRecorder(); err != nil {
		return nil, err
	}
	s.sessions[x.id] = x
	s.journal.move(x.id, eventStart, stateWaiting, object{"params": b.params})
	x.applied = -1
	if b.hasInput {
		x.applied = len(b.input)
	}
	if b.stepped {
		x.stepLimit = b.steps
	}
	x.ctx, x.cancel = context.WithCancel(s.ctx)
	x.wg.Go(x.run)
	x.post(func() {
		if f := s.model.Started; f != nil {
			f(x.id)
		}
	})
	x.armOrphan()
	x.post(func() { x.begin(b.start) })
	if b.limit > 0 {
		x.limit = time.AfterFunc(b.limit, func() {
			x.end(ending{why: "timed_out", notice: "Session ended: the time limit was reached."})
		})
	}
	return x, nil
}

func (x *session) run() {
	for {
		select {
		case f := <-x.events:
			f()
		case <-x.ctx.Done():
			return
		}
	}
}

// post queues an event; after the end of the session it is dropped.
func (x *session) post(f func()) {
	select {
	case x.events <- f:
	case <-x.ctx.Done():
	}
}

// alive says that clients can use the session.
func (x *session) alive() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.state != stateClosing
}

// armOrphan starts the client-less window. x.mu is held, or x is new.
func (x *session) armOrphan() {
	d := x.srv.cfg.orphanTimeout(x.cloud)
	if d < 0 {
		return
	}
	if x.ends != nil {
		x.ends.Stop()
	}
	x.ends = time.AfterFunc(d, func() { x.orphaned() })
}

// deserted begins the client-less window, if nobody is left. x.mu is held.
func (x *session) deserted() {
	if len(x.connections) > 0 || x.system {
		return
	}
	x.state = stateOrphaned
	x.rest(true)
	x.armOrphan()
}

func (x *session) orphaned() {
	x.mu.Lock()
	alone := x.state == stateWaiting || x.state == stateOrphaned
	x.mu.Unlock()
	if alone {
		x.end(ending{why: "timed_out"})
	}
}

// end begins the end of the session; x.over says when it is over. Only the
// first call counts.
func (x *session) end(e ending) {
	s := x.srv
	s.mu.Lock()
	x.mu.Lock()
	if x.state == stateClosing {
		x.mu.Unlock()
		s.mu.Unlock()
		return
	}
	x.state = stateClosing
	event, detail := eventStop, object{"reason": e.why}
	switch {
	case e.why == "timed_out":
		event = eventTimeout
	case e.crash:
		event, detail["error"] = eventEviction, "the model crashed"
	}
	if e.notice != "" {
		detail["close_reason"] = e.notice
	}
	s.journal.move(x.id, event, x.state, detail)
	if x.ends != nil {
		x.ends.Stop()
	}
	if x.limit != nil {
		x.limit.Stop()
	}
	x.mu.Unlock()
	if s.local == x {
		s.closing = true
	}
	s.wg.Add(1) // the server is open as long as a session is
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		x.close(e)
	}()
}

func (x *session) close(e ending) {
	switch {
	case e.moderated:
		x.broadcast(&wire.ControlServerMessage{
			Kind: wire.MessageKind_MESSAGE_KIND_NOTIFICATION,
			Payload: &wire.ControlServerMessage_Moderation{Moderation: &wire.Moderation{
				Action: "terminate", Message: "Session terminated due to policy violation.",
			}},
		})
	case e.notice != "":
		x.broadcast(&wire.ControlServerMessage{
			Kind:    wire.MessageKind_MESSAGE_KIND_NOTIFICATION,
			Payload: &wire.ControlServerMessage_SessionEnded{SessionEnded: &wire.SessionEnded{Reason: e.notice}},
		})
	}
	x.cancel()
	x.closeRecorder(e)
	var peers sync.WaitGroup
	for _, c := range x.everyConnection() {
		peers.Go(func() {
			c.drain()
			c.close()
		})
	}
	peers.Wait()
	x.wg.Wait()
	if f := x.srv.model.Ended; f != nil {
		f(x.id, e.why)
	}
	x.srv.forget(x)
	x.srv.journal.move(x.id, eventCleanup, stateReady, object{"reason": e.why})
	x.srv.counters.add(labelled("runtime_sessions_total", "reason", e.why))
	close(x.over)
}

// forget takes a session that is over off the books.
func (s *Server) forget(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x.id)
	if x.cloud {
		s.ended[x.id] = true
	}
	if s.local == x {
		s.local, s.closing = nil, false
	}
}

// everyConnection are those known to the model and those on their way.
func (x *session) everyConnection() []*connection {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append(slices.Collect(maps.Values(x.connections)), slices.Collect(maps.Values(x.negotiations))...)
}

// connected counts the connections known to the model.
func (x *session) connected() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.connections)
}

// broadcast reaches the connections on their way too, once they are open: a
// client may be ready a moment before the server knows.
func (x *session) broadcast(m wire.ServerMessage) {
	for _, c := range x.everyConnection() {
		c.send(m)
	}
}

// tell is a message of the model to the clients of the session.
func (x *session) tell(typ string, data map[string]any) {
	if x.srv.cfg.StepResults.Enabled {
		x.mu.Lock()
		if len(x.said) == maxResultMessages {
			x.said = x.said[1:]
		}
		x.said = append(x.said, object{"type": typ, "data": data})
		x.mu.Unlock()
	}
	x.broadcast(modelMessage(typ, data))
}

// takeMessages are those that were told since the last step.
func (x *session) takeMessages() []object {
	x.mu.Lock()
	defer x.mu.Unlock()
	said := append([]object{}, x.said...)
	x.said = nil
	return said
}

// note records a fact of the session.
func (x *session) note(event string, detail object) { x.srv.journal.note(x.id, event, detail) }

// enter makes a connection whose wire is up known to the model. It answers
// false if there is no session any more.
func (x *session) enter(c *connection) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == stateClosing || x.negotiations[c.id] != c {
		return false
	}
	delete(x.negotiations, c.id)
	_, known := x.connections[c.id]
	x.connections[c.id] = c
	x.state = stateStreaming
	if !known {
		x.srv.journal.move(x.id, eventOpened, x.state, object{"conn_id": c.id, "transport": "webrtc"})
		x.srv.counters.add(labelled("runtime_connections_opened_total"))
	}
	x.rest(false)
	if x.ends != nil {
		x.ends.Stop()
	}
	if f := x.srv.model.Connected; f != nil && !known {
		x.postLocked(func() { f(x.id, c.id) })
	}
	return true
}

// leave is the loss of a connection, whatever became of it.
func (x *session) leave(c *connection) {
	x.mu.Lock()
	defer x.mu.Unlock()
	known := x.connections[c.id]
	switch {
	case x.negotiations[c.id] == c: // it never came up, and the one before it is gone too
		delete(x.negotiations, c.id)
		delete(x.answers, c.id)
		if known == nil {
			return
		}
	case known != c || c.superseded:
		return
	}
	delete(x.connections, c.id)
	if x.state == stateClosing {
		return
	}
	for name, holder := range x.slots {
		if holder == c.id {
			delete(x.slots, name)
		}
	}
	x.deserted()
	x.srv.journal.move(x.id, eventClosed, x.state, object{"conn_id": c.id, "transport": "webrtc"})
	x.srv.counters.add(labelled("runtime_connections_closed_total"))
	if f := x.srv.model.Disconnected; f != nil {
		x.postLocked(func() { f(x.id, c.id) })
	}
}

// postLocked is post for who holds x.mu: it does not wait for room.
func (x *session) postLocked(f func()) {
	select {
	case x.events <- f:
	default:
		x.log.Warn("event dropped: the model does not keep up")
	}
}

// mint draws a connection id.
func (x *session) mint() (uint32, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for range 100 {
		id := 5000 + mathrand.Uint32N(5000)
		if !x.minted[id] && x.connections[id] == nil && x.negotiations[id] == nil {
			x.minted[id] = true
			return id, nil
		}
	}
	return 0, fmt.Errorf("No connection ids left") //nolint:staticcheck // the runtime's words
}

// claim gives a track to a publisher, or says that it is taken.
func (x *session) claim(name string, id uint32) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, taken := x.slots[name]; taken || x.connections[id] == nil {
		return false
	}
	x.slots[name] = id
	return true
}

// release takes a track back from its publisher.
func (x *session) release(name string, id uint32) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if holder, taken := x.slots[name]; !taken || holder != id {
		return false
	}
	delete(x.slots, name)
	return true
}

// openRecorder begins the recording, if there is to be one. s.mu is held.
func (x *session) openRecorder() error {
	if !x.srv.cfg.Recording.Enabled || x.stepped {
		return nil
	}
	r, err := x.srv.newRecorder(x.id, x.recording)
	if err != nil {
		return err
	}
	x.recorder = r
	x.srv.recordings[x.recording] = r
	x.wg.Go(r.run)
	return nil
}

// rest says whether the model rests: without a client it generates nothing.
func (x *session) rest(resting bool) {
	if x.recorder != nil {
		x.recorder.watch(!resting)
	}
}

// closeRecorder ends the recording, which is kept for a while.
func (x *session) closeRecorder(e ending) {
	r := x.recorder
	if r == nil {
		return
	}
	r.finish(!e.crash)
	time.AfterFunc(r.cfg.Keep, func() { x.srv.removeRecording(r) })
}

// removeRecording forgets a recording and deletes its files.
func (s *Server) removeRecording(r *recorder) {
	s.mu.Lock()
	if s.recordings[r.id] == r {
		delete(s.recordings, r.id)
	}
	s.mu.Unlock()
	r.remove()
}

// removeRecordings deletes the files of all recordings, at the end.
func (s *Server) removeRecordings() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.recordings))
	clear(s.recordings)
	s.mu.Unlock()
	for _, r := range all {
		r.remove()
	}
}

// uuid is a random UUID, version 4.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
