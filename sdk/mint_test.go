package sdk

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMintToken(t *testing.T) {
	tests := []struct {
		name string
		cfg  TokenConfig
		want string // the body
	}{
		{"unscoped", TokenConfig{}, `null`},
		{"unscoped and short", TokenConfig{ExpiresAfter: 90 * time.Second}, `{"expires_after":90}`},
		{
			"to create",
			TokenConfig{Models: []string{"acme/m"}, MaxSessions: 1, MaxSessionDuration: 2 * time.Minute, ExpiresAfter: time.Millisecond},
			`{"authorization_details":[{"type":"session","resources":{"models":{"match":["acme/m"]}},"constraints":{"max_sessions":1,"max_session_duration_seconds":120}}],"expires_after":1}`,
		},
		{
			"to join",
			TokenConfig{Sessions: []string{"s1"}},
			`{"authorization_details":[{"type":"session","resources":{"models":{"all":true},"sessions":{"bind":["s1"]}}}]}`,
		},
		{
			"both",
			TokenConfig{Models: []string{"acme/m"}, Sessions: []string{"s1"}},
			`{"authorization_details":[{"type":"session","resources":{"models":{"match":["acme/m"]},"sessions":{"bind":["s1"]}}}]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, answers{"POST /tokens": token})
			tt.cfg.APIKey, tt.cfg.BaseURL = key, srv.URL
			got, err := MintToken(t.Context(), tt.cfg)
			if want := (Token{JWT: jwt, ExpiresAt: time.Unix(4000000000, 0)}); got != want || err != nil {
				t.Fatalf("got %q, %v, %v", got.JWT, got.ExpiresAt, err)
			}
			if diff := cmp.Diff([]seen{{"POST /tokens", key, "", tt.want}}, srv.asked()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMintTokenErrors(t *testing.T) {
	srv := serve(t, answers{"POST /tokens": respond(401, `{"detail": "bad key `+key+`"}`)})
	tests := []struct {
		name string
		cfg  TokenConfig
		want string
	}{
		{"no key", TokenConfig{}, "API key: must be set"},
		{"no URL", TokenConfig{APIKey: key, BaseURL: "nowhere"}, `base URL: must be http(s)://host[:port], got "nowhere"`},
		{"a bound without a scope", TokenConfig{APIKey: key, MaxSessions: 1}, "max sessions, max session duration: need models or sessions"},
		{"too long", TokenConfig{APIKey: key, Models: []string{"m"}, MaxSessionDuration: 25 * time.Hour}, "max session duration: must be between 0 and 24h0m0s, got 25h0m0s"},
		{"negative", TokenConfig{APIKey: key, MaxSessions: -1, ExpiresAfter: -1}, "max sessions: must not be negative, got -1\nexpires after: must not be negative, got -1ns"},
		{"key refused", TokenConfig{APIKey: key, BaseURL: srv.URL}, "token: [UNAUTHORIZED] unexpected HTTP status 401 from token exchange: bad key ***"},
		{"key in clear", TokenConfig{APIKey: key, BaseURL: "http://api.example.com"}, "base URL: must be https to carry an API key or token, got \"http://api.example.com\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := MintToken(t.Context(), tt.cfg); message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestSecretsAreNotPrinted prints what holds them in every way there is.
func TestSecretsAreNotPrinted(t *testing.T) {
	cfg := Config{Model: "m", APIKey: key, Token: jwt, ICEServers: []ICEServer{{URLs: []string{"turn:x"}, Username: "u", Password: jwt}}}
	s := &Session{id: "s1", cfg: cfg}
	for name, v := range map[string]any{
		"token": Token{JWT: jwt}, "config": cfg, "pointer": &cfg, "session": s, "ice server": cfg.ICEServers[0],
		"token config": TokenConfig{APIKey: key}, "list": cfg.ICEServers,
	} {
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s", v), log.String()} {
			if strings.Contains(text, key) || strings.Contains(text, jwt) {
				t.Errorf("%s prints its secret: %s", name, text)
			}
		}
	}
}
