package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
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

// connect opens the session, trying again while the trouble may pass.
func (s *Session) connect(ctx context.Context) (*sdk.Session, error) {
	begun := s.cfg.Clock.Now()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		live, err := sdk.Connect(ctx, s.sdkConfig())
		if err == nil {
			return live, nil
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
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.cfg.Clock.After(wait):
		}
	}
}

func (s *Session) sdkConfig() sdk.Config {
	spec := s.cfg.Spec
	cfg := sdk.Config{
		Model: spec.Model, APIKey: spec.APIKey, Token: spec.Token, BaseURL: spec.URL, Local: spec.Local,
		Codecs: s.cfg.Codecs, Logger: s.cfg.Log,
		NoAutoResume: true, // a track flows when a source reads it
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

func (s *Session) giveUp(err error, waited time.Duration) error {
	switch {
	case errors.Is(err, sdk.ErrNoCodec):
		return pipeline.Invalid(fmt.Errorf("session with %s: %w", s.model(), err))
	case errors.Is(err, sdk.ErrNotFound):
		return pipeline.Invalid(fmt.Errorf("model %q: %w", s.model(), err))
	case mayPass(err):
		return fmt.Errorf("no session with %s after %s: %w", s.model(), waited.Round(100*time.Millisecond), err)
	}
	return fmt.Errorf("session with %s: %w", s.model(), err)
}
