package app

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// key is accepted by the coordinator of these tests.
const key = "rk_test_key"

func coordinator(t *testing.T) (*sessiontest.Server, *invocation) {
	t.Helper()
	srv := serve(t, func(c *sessiontest.Config) { c.APIKey = key })
	return srv, &invocation{env: map[string]string{"REACTOR_API_KEY": key, "REACTOR_API_URL": srv.URL()}}
}

// Nothing but the token is on stdout, and it opens what it was made for.
func TestToken(t *testing.T) {
	srv, v := coordinator(t)
	code := v.main(t, "token", "--model", "reactor/x2", "--max-sessions", "1", "--max-session-duration", "5m", "--expires", "10m")
	if code != exitDone || v.err.String() != "" {
		t.Fatalf("exit %d: %s", code, v.err.String())
	}
	token, rest, _ := strings.Cut(v.out.String(), "\n")
	if token == "" || rest != "" {
		t.Errorf("printed %q", v.out.String())
	}
	s, err := sdk.Connect(t.Context(), sdk.Config{Model: "reactor/x2", Token: token, BaseURL: srv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestTokenJSON(t *testing.T) {
	_, v := coordinator(t)
	if code := v.main(t, "token", "--json"); code != exitDone {
		t.Fatalf("exit %d: %s", code, v.err.String())
	}
	var token struct {
		JWT       string    `json:"jwt"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(v.out.String()), &token); err != nil {
		t.Fatal(err)
	}
	if token.JWT == "" || time.Until(token.ExpiresAt) <= 0 {
		t.Errorf("printed %s", v.out.String())
	}
}

func TestTokenTroubles(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		code int
		want string
	}{
		{"refused", nil, map[string]string{"REACTOR_API_KEY": "rk_wrong"}, exitRefused, "reactorpipe: token: [UNAUTHORIZED] unexpected HTTP status 401 from token exchange: Invalid API key\n"},
		{"no key", nil, map[string]string{"REACTOR_API_KEY": ""}, exitConfig, "reactorpipe: REACTOR_API_KEY: must be set; it is the key to exchange\n"},
		{"no URL", nil, map[string]string{"REACTOR_API_URL": "here"}, exitConfig, "reactorpipe: REACTOR_API_URL: must be an http or https URL, got here\n"},
		{"bound of nothing", []string{"--max-sessions", "2"}, nil, exitUsage, "reactorpipe: max sessions, max session duration: need models or sessions\n"},
		{"no time", []string{"--expires", "soon"}, nil, exitUsage, "reactorpipe: --expires: must be a time such as 30s or 5m, got \"soon\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, v := coordinator(t)
			maps.Copy(v.env, tt.env)
			code := v.main(t, append([]string{"token"}, tt.args...)...)
			if code != tt.code || v.err.String() != tt.want || v.out.String() != "" {
				t.Errorf("exit %d, %q on stdout, and\n%s\nwant exit %d and\n%s", code, v.out.String(), v.err.String(), tt.code, tt.want)
			}
			if strings.Contains(v.err.String(), "rk_wrong") {
				t.Error("the key was printed")
			}
		})
	}
}

func TestTokenCoordinatorFails(t *testing.T) {
	srv, v := coordinator(t)
	srv.Fail(sessiontest.RouteToken, sessiontest.Fault{Status: http.StatusServiceUnavailable})
	if code := v.main(t, "token"); code != exitFailed {
		t.Errorf("exit %d: %s", code, v.err.String())
	}
}
