package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// The pause between two tries to open a session grows from the one to the
// other: quick enough for a server that is starting, slow enough for one that
// is overrun.
const (
	firstPause = 300 * time.Millisecond
	longPause  = 5 * time.Second
)

// connect opens a session, trying again while the trouble may pass.
func (s *Session) connect(ctx context.Context) (*life, error) {
	begun := s.cfg.Clock.Now()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		l, err := s.attempt(ctx)
		if err == nil {
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		left := s.cfg.Spec.Wait - s.cfg.Clock.Now().Sub(begun)
		if !mayPass(err) || left <= 0 {
			return nil, s.giveUp(err, s.cfg.Spec.Wait-left)
		}
		wait := min(max(jitter(pause), retryAfter(err)), left)
		s.cfg.Log.Warn("session not open yet, trying again", "in", wait.Round(time.Millisecond), "give_up_in", left.Round(time.Second), "err", err)
		if err := s.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// attempt opens a session once, within the budget, and reads its schema.
func (s *Session) attempt(ctx context.Context) (*life, error) {
	since := s.cfg.Clock.Now()
	if s.made() {
		if err := s.budget.take(); err != nil {
			return nil, err
		}
	}
	var created atomic.Bool
	cfg := s.sdkConfig()
	cfg.Trace = func(step sdk.Step) {
		if step == sdk.StepCreated {
			created.Store(true)
		}
	}
	live, err := sdk.Connect(ctx, cfg)
	if err != nil {
		if s.made() && !created.Load() && !mayExist(err) {
			s.budget.giveBack()
		}
		return nil, err
	}
	l := s.newLife(live, since)
	if err := s.readSchema(ctx, l); err != nil {
		s.cfg.Log.Warn("model schema not available, commands are not checked", "err", err)
	}
	return l, nil
}

// mayExist says of an error before a session was there that the server may have
// made one all the same: its answer was lost.
func mayExist(err error) bool {
	var e *sdk.Error
	if !errors.As(err, &e) || e.Status != 0 {
		return false // refused
	}
	var dial *net.OpError
	return !errors.As(err, &dial) || dial.Op != "dial"
}

func (s *Session) sdkConfig() sdk.Config {
	spec := s.cfg.Spec
	cfg := sdk.Config{
		Model: spec.Model, APIKey: spec.APIKey, Token: spec.Token, BaseURL: spec.URL, Local: spec.Local,
		Codecs: s.cfg.Codecs, Logger: s.cfg.Log,
		NoAutoResume: true, // a track flows when a source reads it
	}
	if spec.AskLimit {
		cfg.MaxSessionDuration = spec.Limit
	}
	if spec.Adopt != nil {
		cfg.SessionID, cfg.ConnectionID = spec.Adopt.SessionID, spec.Adopt.ConnectionID
	}
	for _, server := range spec.ICEServers {
		cfg.ICEServers = append(cfg.ICEServers, iceServer(server))
	}
	return cfg
}

// iceServer takes the user and the password out of a server's URL.
func iceServer(server string) sdk.ICEServer {
	scheme, rest, _ := strings.Cut(server, ":")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return sdk.ICEServer{URLs: []string{server}}
	}
	name, password, _ := strings.Cut(rest[:at], ":")
	return sdk.ICEServer{URLs: []string{scheme + ":" + rest[at+1:]}, Username: unescaped(name), Password: unescaped(password)}
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// mayPass says that trying again can help: no answer, no room, a server that is
// starting or closing.
func mayPass(err error) bool {
	if errors.Is(err, sdk.ErrConflict) {
		return true
	}
	var e *sdk.Error
	return errors.As(err, &e) && e.Recoverable
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*sdk.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// jitter spreads d over half to one and a half of it, so that many clients of a
// server that came back do not knock at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// pause waits, or returns the error of a ctx that ends first.
func (s *Session) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.cfg.Clock.After(d):
		return nil
	}
}

func (s *Session) giveUp(err error, waited time.Duration) error {
	switch {
	case errors.Is(err, ErrBudget):
		return err
	case errors.Is(err, sdk.ErrNoCodec):
		return pipeline.Invalid(fmt.Errorf("session with %s: %w", s.model(), err))
	case errors.Is(err, sdk.ErrNotFound) && !s.made():
		return pipeline.Invalid(fmt.Errorf("session %s: %w", s.cfg.Spec.Adopt.SessionID, err))
	case errors.Is(err, sdk.ErrNotFound):
		return pipeline.Invalid(fmt.Errorf("model %q: %w", s.model(), err))
	case mayPass(err):
		return fmt.Errorf("no session with %s after %s: %w", s.model(), waited.Round(100*time.Millisecond), err)
	}
	return fmt.Errorf("session with %s: %w", s.model(), err)
}
