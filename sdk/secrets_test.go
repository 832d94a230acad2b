package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// speech is everything that a session says: its logs at all levels, its errors,
// its events, and what a dump of them shows.
type speech struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (s *speech) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *speech) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug - 100, AddSource: true}))
}

func (s *speech) dump(v any) {
	_, _ = fmt.Fprintf(s, "%v\n%+v\n%#v\n", v, v, v)
	var e *Error
	if err, ok := v.(error); ok && errors.As(err, &e) {
		_, _ = fmt.Fprintf(s, "%+v\n%#v\n%v\n", *e, *e, e.Unwrap())
	}
	if b, err := json.Marshal(v); err == nil {
		_, _ = s.Write(b)
	}
	s.logger().Info("dump", "v", v)
}

// check fails the test where a secret, or a telling part of one, was said.
func (s *speech) check(t *testing.T, secrets ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if i := strings.Index(s.text.String(), secret[:len(secret)-2]); i >= 0 {
			t.Errorf("a secret was said: …%.300s", s.text.String()[max(0, i-150):])
		}
	}
	if s.text.Len() == 0 {
		t.Error("nothing was said at all")
	}
}

func TestHide(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, secret, text, want string }{
		{"a key", "rk_0123456789", "bad key xrk_0123456789x", "bad key x***x"},
		{"a short key by itself", "k", `bad key "k", k and Bearer k`, `bad key "***", *** and Bearer ***`},
		{"a short key within words", "k", "unknown key, take another", "unknown key, take another"},
		{"a short key that is no word", "k=", "bad k=1", "bad ***1"},
		{"no key", "", "bad key", "bad key"},
		{"what is no text", "\xff", "bad \xff", "bad ***"},
	}
	for _, tt := range tests {
		if got := hide(tt.text, tt.secret); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestNoSecretIsSaid lets every call fail with a server that repeats all that it
// was sent, and greps what comes of it.
func TestNoSecretIsSaid(t *testing.T) {
	bodies := map[string]func(token string) string{
		"detail":     func(token string) string { return `{"detail": "bad: Bearer ` + token + `, ` + key + `"}` },
		"text":       func(token string) string { return "bad: Bearer " + token + ", " + key },
		"list":       func(token string) string { return `{"detail": [{"loc": ["header"], "input": "` + token + key + `"}]}` },
		"at the cut": func(string) string { return strings.Repeat("x", maxQuoted-len(key)/2) + key },
		"before it":  func(token string) string { return strings.Repeat("x", maxQuoted-len(token)-3) + token + key },
		"wrong types": func(token string) string {
			return `{"session_id": {"` + token + `": 1}, "sdp_answer": ["` + key + `"], "state": "` + token + `", "jwt": "", "ice_servers": "` + token + `"}`
		},
		"as an id": func(token string) string {
			return `{"session_id": "` + token + ` ` + key + `", "sdp_answer": "` + token + `"}`
		},
	}
	for _, h := range hops() {
		for _, status := range []int{200, 302, 401, 404, 429, 500} {
			for name, body := range bodies {
				t.Run(fmt.Sprintf("%s %d %s", h.name, status, name), func(t *testing.T) {
					inProvisionedCloud(t, func(t *testing.T, w *world) {
						var out speech
						cfg := Config{Logger: out.logger(), APIKey: key}
						token := w.srv.Token()
						if h.route == sessiontest.RouteToken {
							token = key // there is no other secret yet
						} else {
							cfg.Token = token
						}
						w.srv.Fail(h.route, sessiontest.Fault{Status: status, Body: body(token)})
						_, err := w.open(t, cfg)
						out.dump(err)
						out.dump(cfg)
						out.check(t, key, token)
					})
				})
			}
		}
	}
}

// TestNoSecretIsSaidInAWholeLife follows a session through its reconnects to its
// end, with TURN servers that refuse it.
func TestNoSecretIsSaidInAWholeLife(t *testing.T) {
	var out speech
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: lamp(), APIKey: key})
	cfg := Config{
		BaseURL: srv.URL(), APIKey: key, Model: "acme/m", Logger: out.logger(),
		ICEServers: []ICEServer{
			{URLs: []string{"turn:127.0.0.1:1?transport=tcp", "turns:127.0.0.1:1", "turn:127.0.0.1:1"}, Username: "user", Password: turnPassword},
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Connect(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	minted, err := s.api.tokens.get(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	events := s.Events(ctx)
	flows(t, s)
	_, err = s.Command(ctx, "no_such_command", map[string]any{"x": 1})
	out.dump(err)
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 503, Body: minted + key, Times: 1})
	srv.Drop()
	for e := range events {
		out.dump(e)
		if e.Type == EventReconnected {
			break
		}
	}
	srv.Fail(sessiontest.RouteDelete, sessiontest.Fault{Status: 500, Body: minted + key, Times: 1})
	out.dump(s.Close())
	out.dump(s.Err())
	out.dump(s)
	out.check(t, key, minted, turnPassword)
}
