package sdk

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// run is a session's life after Connect: it waits for the connection to be lost
// and makes another one, until that is of no use any more.
func (s *Session) run(ctx context.Context, c *conn) {
	for {
		select {
		case <-ctx.Done():
		case <-c.lost:
			c.drained()
		}
		s.detach(c)
		c.close()
		next, err := s.reconnect(ctx, c.cause)
		if err != nil {
			s.finish(err)
			return
		}
		c = next
	}
}

// attach makes c the connection of the session: what was received and sent
// before goes on.
func (s *Session) attach(ctx context.Context, c *conn) {
	s.mu.Lock()
	s.conn, s.epoch = c, c.epoch
	s.mu.Unlock()
	for _, t := range s.tracks {
		if t.info.Direction == ReceiveOnly && !t.Paused() {
			_ = c.announce(t) // a failure is a loss, which run sees
		}
	}
	c.ping()
	c.spawn(c.keepAlive)
	s.setStatus(StatusReady)
	for _, t := range s.tracks {
		if p := t.publication(); p != nil {
			c.spawn(func() { c.restore(context.WithoutCancel(ctx), p) })
		}
	}
}

func (s *Session) detach(c *conn) {
	s.mu.Lock()
	s.conn = nil
	s.mu.Unlock()
	for _, t := range s.tracks {
		if p := t.publication(); p != nil {
			p.live.CompareAndSwap(c.senders[t.info.Name], nil)
		}
	}
}

// The pause between two tries to reconnect grows from the one to the other, each
// spread by half; the first try is made at once.
const (
	firstRetry = 200 * time.Millisecond
	longRetry  = 5 * time.Second
	// attemptTimeout bounds one try: a path that does not open in that time is
	// better looked for anew.
	attemptTimeout = 10 * time.Second
)

// reconnect tries until the window is over, and returns why it does not go on.
func (s *Session) reconnect(ctx context.Context, cause error) (*conn, error) {
	if err := s.hopeless(ctx); err != nil {
		return nil, err
	}
	lost := gpuErrorf(CodeDisconnected, "", "connection lost: %v", cause)
	if s.cfg.ReconnectWindow < 0 && !errors.Is(cause, errAsked) {
		return nil, lost
	}
	begun := time.Now()
	s.log.Warn("connection lost, reconnecting", "session_id", s.id, "window", s.cfg.ReconnectWindow, "err", cause)
	s.setStatus(StatusReconnecting)
	s.events.publish(Event{Type: EventLost, Err: lost, At: begun})
	for attempt, wait := 1, firstRetry; ; attempt, wait = attempt+1, min(2*wait, longRetry) {
		c, err := s.attempt(ctx)
		if err == nil {
			outage := time.Since(begun)
			s.attach(ctx, c)
			s.log.Info("connection restored", "session_id", s.id, "outage", outage.Round(time.Millisecond), "attempts", attempt)
			s.events.publish(Event{Type: EventReconnected, Outage: outage, Attempts: attempt, At: time.Now()})
			return c, nil
		}
		if final := s.final(ctx, cause, err); final != nil {
			return nil, final
		}
		left := s.cfg.ReconnectWindow - time.Since(begun)
		if left <= 0 {
			e := gpuErrorf(CodeDisconnected, "reconnect", "connection lost (%v) and not restored within %s: %v", cause, s.cfg.ReconnectWindow, err)
			e.cause = err
			return nil, e
		}
		s.log.Debug("reconnect failed", "attempt", attempt, "err", err)
		if err := pause(ctx, min(max(wait/2+rand.N(wait), asked(err)), left), "reconnect"); err != nil {
			return nil, ErrClosed
		}
	}
}

func (s *Session) attempt(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return s.dial(ctx, "reconnect")
}

// asked is the wait that the server asked for.
func asked(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// hopeless is why no reconnect is to be tried at all.
func (s *Session) hopeless(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.notice != nil:
		return s.notice
	case s.leaving, ctx.Err() != nil:
		return ErrClosed
	}
	return nil
}

// noSession are the answers of the signalling routes when the session is no more.
var noSession = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGone}

// final is what a failed try, after a loss by cause, says about all further ones:
// nil if they may do better.
func (s *Session) final(ctx context.Context, cause, err error) error {
	if why := s.hopeless(ctx); why != nil {
		return why
	}
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if e.signalling && slices.Contains(noSession, e.Status) {
		s.vanished(cause)
		return s.hopeless(ctx)
	}
	if e.Recoverable {
		return nil
	}
	return err
}

// vanished notes that the server has no such session any more. Where it closed
// the connection itself it ended the session; else it died, and the session with
// it.
func (s *Session) vanished(cause error) {
	if errors.Is(cause, errClosedByServer) {
		s.serverEnded("")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notice == nil {
		s.notice = gpuErrorf(CodeDisconnected, "reconnect", "connection lost (%v), and the server no longer has the session", cause)
	}
}

// serverEnded notes that the server ended the session. The first reason stands.
func (s *Session) serverEnded(reason string) {
	text := "the server ended the session"
	if reason != "" {
		text += ": " + reason
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notice == nil {
		s.notice = gpuError(CodeSessionTerminal, "", text)
	}
}

// finish is the end of run.
func (s *Session) finish(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	if errors.Is(err, ErrClosed) {
		s.log.Info("session closed", "session_id", s.id)
	} else {
		s.log.Warn("session over", "session_id", s.id, "err", err)
	}
	s.setStatus(StatusDisconnected)
	s.events.publish(Event{Type: EventOver, Err: err, At: time.Now()})
	s.events.close()
	s.messages.close()
	close(s.ended)
	s.api.close()
}

// farewell bounds what telling the server may take when we go.
const farewell = 5 * time.Second

// Close ends the session if this client created it, and leaves it otherwise.
// The server is told, within 5 s. Closing again does nothing and returns the
// same; so do Leave and End, whichever came first.
func (s *Session) Close() error {
	if s.ours {
		return s.End(context.Background())
	}
	return s.Leave(context.Background())
}

// End ends the session for everybody. It works on a ctx that is over, too.
func (s *Session) End(ctx context.Context) error {
	return s.shutdown(func() error { return s.terminate(ctx) })
}

// Leave closes this connection and lets the session go on. Tracks are released
// at once, so that others can publish them.
func (s *Session) Leave(context.Context) error {
	return s.shutdown(func() error {
		if c, err := s.ready("leave"); err == nil {
			c.release()
		}
		return nil
	})
}

func (s *Session) shutdown(tell func() error) error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.leaving = true
		s.mu.Unlock()
		s.closed = tell()
		s.stop()
		<-s.ended
		s.api.close()
	})
	return s.closed
}

// terminate tells the server to end the session, unless the server told us.
func (s *Session) terminate(ctx context.Context) error {
	s.mu.Lock()
	known := s.notice != nil
	s.mu.Unlock()
	if known {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	err := s.api.terminate(ctx, s.id)
	if err != nil {
		s.log.Warn("session not ended at the server", "session_id", s.id, "err", err)
	}
	return err
}

// release gives everything back over the channels and closes them: a server
// notices a closed connection only after seconds.
func (c *conn) release() {
	for _, t := range c.session.tracks {
		m := &wire.ControlClientMessage{Kind: wire.MessageKind_MESSAGE_KIND_NOTIFICATION}
		switch {
		case t.publication() != nil:
			m.Payload = &wire.ControlClientMessage_UnpublishTrack{UnpublishTrack: &wire.UnpublishTrack{Name: t.info.Name}}
		case t.info.Direction == ReceiveOnly && !t.Paused():
			m.Payload = &wire.ControlClientMessage_PauseTrack{PauseTrack: &wire.PauseTrack{Name: t.info.Name}}
		default:
			continue
		}
		_ = c.write("leave", m)
	}
	deadline := time.NewTimer(releaseWait)
	defer deadline.Stop()
	look := time.NewTicker(releaseWait / 50)
	defer look.Stop()
	for c.data.dc.BufferedAmount()+c.control.dc.BufferedAmount() > 0 {
		select {
		case <-deadline.C:
			return
		case <-c.lost:
			return
		case <-look.C:
		}
	}
	_ = c.data.dc.Close()
	_ = c.control.dc.Close()
}

// releaseWait is what the last messages may take to arrive.
const releaseWait = 250 * time.Millisecond
