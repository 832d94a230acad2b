package sdk

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// tokenMargin is how long before its end a token is no longer used: a request
// and a slow clock fit.
const tokenMargin = time.Minute

// tokens hands out the token of a session. A given one is used as it is; one
// minted from a key reaches only the session that it created or is bound to.
type tokens struct {
	api   *api
	key   string
	model string
	limit time.Duration // of the sessions it creates
	fixed bool          // given, or none needed

	mu      sync.Mutex // guards what follows, and holds up others while minting
	token   string
	minted  time.Time
	expires time.Time
	session string // bind to it; "" while there is none

	seenMu sync.Mutex // guards what follows; taken under mu too
	seen   []string   // every key and token there was
}

func newTokens(cfg Config, a *api) *tokens {
	t := &tokens{api: a, key: cfg.APIKey, model: cfg.Model, limit: cfg.MaxSessionDuration, session: cfg.SessionID}
	t.fixed = cfg.Local || cfg.Token != "" || cfg.APIKey == ""
	if !cfg.Local {
		t.token = cfg.Token
	}
	t.seen = []string{cfg.APIKey, cfg.Token}
	return t
}

// bind makes later tokens reach a session that exists now.
func (t *tokens) bind(session string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = session
}

// get returns the token to send, "" for none.
func (t *tokens) get(ctx context.Context, op string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fixed || t.token != "" && time.Now().Before(t.expires) {
		return t.token, nil
	}
	made, err := t.api.mint(ctx, op, t.key, t.scope())
	if err != nil {
		return "", err
	}
	t.token, t.minted = made.JWT, time.Now()
	t.expires = t.minted.Add(usable(time.Until(made.ExpiresAt)))
	return t.token, nil
}

// freshToken is how young a token is that cannot have ended: it is refused for
// what it may not do.
const freshToken = 5 * time.Second

// forget drops a token that the server refused, and says whether another one may
// do better: this one may have ended early, or the clocks disagree about its end.
func (t *tokens) forget(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != token {
		return !t.fixed // there is a newer one
	}
	if t.fixed || time.Since(t.minted) < freshToken {
		return false
	}
	t.token = ""
	return true
}

// mint exchanges an API key for a token; what it may do is the body, JSON's null
// for everything.
func (a *api) mint(ctx context.Context, op, key string, scope any) (Token, error) {
	var out struct {
		JWT       string  `json:"jwt"`
		ExpiresAt float64 `json:"expires_at"`
	}
	h := http.Header{}
	h.Set("Reactor-API-Key", key)
	x := exchange{op: op, hop: "token exchange", method: http.MethodPost, path: "/tokens", body: scope, out: &out}
	if _, err := a.send(ctx, x, h); err != nil {
		return Token{}, err
	}
	if out.JWT == "" {
		return Token{}, &Error{Code: CodeUnauthorized, Component: componentAPI, Operation: op, Message: "token exchange: the answer holds no token"}
	}
	a.tokens.saw(out.JWT)
	return Token{JWT: out.JWT, ExpiresAt: time.Unix(int64(out.ExpiresAt), 0)}, nil
}

// usable is how long a token of the given life is used. One that is over by our
// clock is used for a while all the same: it was just made, the clock is wrong.
func usable(life time.Duration) time.Duration {
	if life <= 0 {
		return tokenMargin
	}
	return life - min(tokenMargin, life/2)
}

type tokenScope struct {
	Details      []scopeDetail `json:"authorization_details,omitempty"`
	ExpiresAfter int           `json:"expires_after,omitempty"` // seconds
}

type scopeDetail struct {
	Type        string            `json:"type"`
	Resources   scopeResources    `json:"resources"`
	Constraints *scopeConstraints `json:"constraints,omitempty"`
}

type scopeResources struct {
	Models   scopeModels    `json:"models"`
	Sessions *scopeSessions `json:"sessions,omitempty"`
}

type scopeModels struct {
	Match []string `json:"match,omitempty"`
	All   bool     `json:"all,omitempty"`
}

type scopeSessions struct {
	Bind []string `json:"bind"`
}

type scopeConstraints struct {
	MaxSessions int `json:"max_sessions,omitempty"`
	MaxSeconds  int `json:"max_session_duration_seconds,omitempty"`
}

// scope is what a token is asked for: to create a session of the model, or to
// act on the one there is.
func (t *tokens) scope() any {
	if t.session != "" {
		return TokenConfig{Sessions: []string{t.session}}.scope()
	}
	return TokenConfig{Models: []string{t.model}, MaxSessionDuration: t.limit}.scope()
}

// saw adds a secret to those that [tokens.redact] removes.
func (t *tokens) saw(secret string) {
	t.seenMu.Lock()
	defer t.seenMu.Unlock()
	t.seen = append(t.seen, secret)
}

// shortSecret is the length in bytes below which a secret is likely to be a part of
// other words.
const shortSecret = 8

// redact removes the key and every token seen from a text: a server may repeat
// what it was sent. A short one is removed where it stands by itself.
func (t *tokens) redact(s string) string {
	t.seenMu.Lock()
	defer t.seenMu.Unlock()
	for _, secret := range t.seen {
		s = hide(s, secret)
	}
	return s
}

func hide(s, secret string) string {
	if secret == "" {
		return s
	}
	if len(secret) >= shortSecret || !letters.MatchString(secret) {
		return strings.ReplaceAll(s, secret, "***")
	}
	return regexp.MustCompile(`\b`+secret+`\b`).ReplaceAllLiteralString(s, "***")
}

// letters are what words are of.
var letters = regexp.MustCompile(`^\w+$`)
