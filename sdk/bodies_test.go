package sdk

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// says answers every request with the same body.
type says string

func (b says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, nil
}

// FuzzAnswers: whatever a call of the signalling is answered, it is taken or
// refused by name, and what is taken holds what it must.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		`{"session_id": "s", "state": "READY", "capabilities": {"tracks": []}}`,
		`{"connection_id": 7, "sdp_answer": "v=0\r\n"}`,
		`{"ice_servers": [{"uris": ["turn:x:1"], "credentials": {"username": "u", "password": "p"}}]}`,
		`{"jwt": "x", "expires_at": 1.5e9}`,
		`{"jwt": 7e999}`, `null`, `[]`, `{`, "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := newAPI(Config{BaseURL: "http://server", Local: true})
		a.http.Transport = says(body)
		g := signalling{api: a, op: "connect"}
		named := func(err error) {
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Operation != "connect") {
				t.Errorf("not an error of the call: %v", err)
			}
		}
		_, err := a.session(t.Context(), "s")
		named(err)
		_, err = g.iceServers(t.Context())
		named(err)
		id, err := g.register(t.Context())
		if named(err); err == nil && id == 0 {
			t.Error("a connection without an id")
		}
		sdp, _, err := g.answer(t.Context(), 1)
		if named(err); err == nil && sdp == "" {
			t.Error("an empty answer")
		}
		token, err := a.mint(t.Context(), "connect", "key", nil)
		if named(err); err == nil && token.JWT == "" {
			t.Error("an empty token")
		}
	})
}
