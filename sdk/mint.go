package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// TokenConfig says what a token of [MintToken] may do. Without Models and
// Sessions it may do what its key may.
type TokenConfig struct {
	// APIKey is exchanged for the token and stays here.
	APIKey string
	// BaseURL of the coordinator; [CloudURL] if empty.
	BaseURL string

	// Models, "owner/name" each, of which the token may create sessions.
	Models []string
	// Sessions are the ids of running sessions that the token may act on.
	Sessions []string
	// MaxSessions bounds how many sessions the token creates and reaches, the
	// named ones included; 0 for no bound. It needs Models or Sessions, as does
	// MaxSessionDuration, which bounds the sessions that the token creates:
	// whole seconds up to a day, 0 for no bound.
	MaxSessions        int
	MaxSessionDuration time.Duration
	// ExpiresAfter is the life of the token in whole seconds. The server gives
	// six hours at most, and by default.
	ExpiresAfter time.Duration
}

// Token is a credential that may be handed on, to a browser for example: it ends
// by itself and reaches only what it was minted for. It prints without its secret.
type Token struct {
	JWT       string    `json:"jwt"`
	ExpiresAt time.Time `json:"expires_at"`
}

// String says until when the token holds, and not the token.
func (t Token) String() string {
	return fmt.Sprintf("token (until %s)", t.ExpiresAt.UTC().Format(time.RFC3339))
}

// GoString is String: a dump shows no secret either.
func (t Token) GoString() string { return t.String() }

// LogValue is String, for slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MintToken exchanges an API key for a token that may do what cfg says, no more:
// a web server keeps its key and gives its pages a token that ends soon. A
// [Session] with an APIKey mints its own.
func MintToken(ctx context.Context, cfg TokenConfig) (Token, error) {
	if err := cfg.validate(); err != nil {
		return Token{}, err
	}
	session, err := Config{Model: "-", APIKey: cfg.APIKey, BaseURL: cfg.BaseURL}.complete()
	if err != nil {
		return Token{}, err
	}
	a := newAPI(session)
	defer a.close()
	return a.mint(ctx, "token", cfg.APIKey, cfg.scope())
}

// String says where the key goes, and not the key.
func (c TokenConfig) String() string {
	return fmt.Sprintf("token config (models %q, sessions %q, at %s)", c.Models, c.Sessions, redactURL(c.BaseURL))
}

// GoString is String: a dump shows no secret either.
func (c TokenConfig) GoString() string { return c.String() }

// LogValue is String, for slog.
func (c TokenConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// longestSession is the longest bound that the coordinator takes.
const longestSession = 24 * time.Hour

func (c TokenConfig) validate() error {
	var errs []error
	if c.APIKey == "" {
		errs = append(errs, errors.New("API key: must be set"))
	}
	if c.MaxSessions < 0 {
		errs = append(errs, fmt.Errorf("max sessions: must not be negative, got %d", c.MaxSessions))
	}
	if c.MaxSessionDuration < 0 || c.MaxSessionDuration > longestSession {
		errs = append(errs, fmt.Errorf("max session duration: must be between 0 and %s, got %s", longestSession, c.MaxSessionDuration))
	}
	if c.ExpiresAfter < 0 {
		errs = append(errs, fmt.Errorf("expires after: must not be negative, got %s", c.ExpiresAfter))
	}
	if c.unscoped() && (c.MaxSessions > 0 || c.MaxSessionDuration > 0) {
		errs = append(errs, errors.New("max sessions, max session duration: need models or sessions"))
	}
	return errors.Join(errs...)
}

func (c TokenConfig) unscoped() bool { return len(c.Models) == 0 && len(c.Sessions) == 0 }

// scope is the body of the exchange.
func (c TokenConfig) scope() any {
	if c.unscoped() && c.ExpiresAfter == 0 {
		return json.RawMessage("null")
	}
	s := tokenScope{ExpiresAfter: wholeSeconds(c.ExpiresAfter)}
	if c.unscoped() {
		return s
	}
	// The coordinator wants models named; for sessions alone, all of them, which
	// creates none without a number of sessions.
	d := scopeDetail{Type: "session"}
	d.Resources.Models = scopeModels{Match: c.Models, All: len(c.Models) == 0}
	if len(c.Sessions) > 0 {
		d.Resources.Sessions = &scopeSessions{Bind: c.Sessions}
	}
	if c.MaxSessions > 0 || c.MaxSessionDuration > 0 {
		d.Constraints = &scopeConstraints{MaxSessions: c.MaxSessions, MaxSeconds: wholeSeconds(c.MaxSessionDuration)}
	}
	s.Details = []scopeDetail{d}
	return s
}

// wholeSeconds is a time of at least a second as the coordinator takes it; 0
// stays 0.
func wholeSeconds(d time.Duration) int {
	if d == 0 {
		return 0
	}
	return max(1, int(d/time.Second))
}
