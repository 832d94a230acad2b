package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// hops are the calls of a connect in the cloud, in their order.
func hops() []hop {
	return []hop{
		{sessiontest.RouteToken, "token exchange", false},
		{sessiontest.RouteCreate, "create session", false},
		{sessiontest.RouteRead, "get session", true},
		{sessiontest.RouteICEServers, "ice servers", true},
		{sessiontest.RouteRegister, "register connection", true},
		{sessiontest.RouteOffer, "sdp offer", true},
		{sessiontest.RouteAnswer, "poll sdp answer", true},
	}
}

type hop struct {
	route   sessiontest.Route
	name    string
	created bool // a session exists then, and is to be ended
}

// inProvisionedCloud is a cloud that takes a second to make a session, so that
// it is looked at.
func inProvisionedCloud(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	bubble(t, false, sessiontest.Config{APIKey: key, Provisioning: time.Second}, test)
}

// TestEveryCallMayBeRefused: a connect that fails says which call it was and
// what the server said; it leaves no session behind.
func TestEveryCallMayBeRefused(t *testing.T) {
	codes := map[int]string{
		400: CodeBadRequest, 401: CodeUnauthorized, 403: CodeUnauthorized, 404: CodeNotFound, 409: CodeConflict,
		422: CodeBadRequest, 426: CodeVersionMismatch, 429: CodeRateLimited, 500: CodeServer, 501: CodeVersionMismatch, 503: CodeServer,
	}
	for _, h := range hops() {
		for status, code := range codes {
			t.Run(fmt.Sprintf("%s %d", h.name, status), func(t *testing.T) {
				inProvisionedCloud(t, func(t *testing.T, w *world) {
					w.srv.Fail(h.route, sessiontest.Fault{Status: status, RetryAfter: "3", Body: `{"detail": "no luck"}`})
					_, err := w.open(t, Config{})
					want := fmt.Sprintf("connect: [%s] unexpected HTTP status %d from %s: no luck", code, status, h.name)
					if message(err) != want {
						t.Errorf("got  %v\nwant %s", err, want)
					}
					var e *Error
					if !errors.As(err, &e) || e.Recoverable != (status == 429 || status == 500 || status == 503) {
						t.Errorf("recoverable: %+v", e)
					}
					if code != CodeVersionMismatch && (e.RetryAfter != 3*time.Second || e.Status != status) {
						t.Errorf("retry after %v, status %d", e.RetryAfter, e.Status)
					}
					if n := w.srv.Sessions(); n != 0 {
						t.Errorf("%d sessions left", n)
					}
				})
			})
		}
	}
}

// TestEveryAnswerMayBeNonsense feeds each call what a broken or lying server may
// say. Nothing of it hurts, and what is refused is named.
func TestEveryAnswerMayBeNonsense(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20_000)
	bodies := map[string]string{
		"a page":          "<html><body>Welcome to the hotel's network</body></html>",
		"null":            "null",
		"an empty object": "{}",
		"a list":          "[]",
		"a string":        `"hello"`,
		"wrong types":     `{"jwt": 7, "expires_at": "x", "session_id": 7, "capabilities": 1, "ice_servers": {}, "connection_id": "x", "sdp_answer": [], "state": 1}`,
		"out of range":    `{"jwt": 7e999, "session_id": 1e999, "ice_servers": 1e999, "connection_id": 99999999999, "sdp_answer": 1e999}`,
		"cut off":         `{"jwt": "x", "session_id": "s`,
		"deep":            deep,
		"deep lists":      strings.Repeat("[", 20_000),
		"enormous":        `{"session_id": "` + strings.Repeat("x", maxBody) + `"}`,
		"not text":        "\xff\xfe\x00\x01",
	}
	for _, h := range hops() {
		if h.name == "sdp offer" {
			continue // its answer is not read
		}
		for name, body := range bodies {
			if Raced && name == "enormous" && h.name != "get session" {
				continue
			}
			t.Run(h.name+" "+name, func(t *testing.T) {
				inProvisionedCloud(t, func(t *testing.T, w *world) {
					w.srv.Fail(h.route, sessiontest.Fault{Status: 200, Body: body})
					_, err := w.open(t, Config{})
					var e *Error
					if h.name == "ice servers" && (name == "null" || name == "an empty object") {
						if err != nil {
							t.Errorf("no servers are no mistake: %v", err)
						}
						return
					}
					if !errors.As(err, &e) || e.Code != CodeDecode && e.Code != CodeUnauthorized && e.Code != CodeTimeout || len(e.Message) > 1000 {
						t.Fatalf("got %.300v", err)
					}
					if n := w.srv.Sessions(); h.created && n != 0 {
						t.Errorf("%d sessions left", n)
					}
				})
			})
		}
	}
}

// TestEveryAnswerMayBeLate: none is waited for without end.
func TestEveryAnswerMayBeLate(t *testing.T) {
	for _, h := range hops() {
		t.Run(h.name, func(t *testing.T) {
			inProvisionedCloud(t, func(t *testing.T, w *world) {
				w.srv.Delay(h.route, time.Hour)
				begun := time.Now()
				_, err := w.open(t, Config{})
				want := "connect: [REQUEST_TIMEOUT] " + h.name + " at " + w.srv.URL() + ": no answer in time"
				if message(err) != want {
					t.Errorf("got %v, want %s", err, want)
				}
				if took := time.Since(begun); took > createTimeout+time.Second && h.route != sessiontest.RouteRead {
					t.Errorf("took %v", took)
				}
			})
		})
	}
	t.Run("slow but sure", func(t *testing.T) {
		inProvisionedCloud(t, func(t *testing.T, w *world) {
			for _, h := range hops() {
				w.srv.Fail(h.route, sessiontest.Fault{Delay: 4 * time.Second, Times: 1})
			}
			flows(t, w.connect(t, Config{}))
		})
	})
}

// TestCandidatesMayBeRefused: the answer carries the server's own.
func TestCandidatesMayBeRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.srv.Fail(sessiontest.RouteCandidates, sessiontest.Fault{Status: http.StatusInternalServerError})
		flows(t, w.connect(t, Config{}))
	})
}

// TestAnswerOutOfOrder: an answer that is not to our offer is refused by name.
func TestAnswerOutOfOrder(t *testing.T) {
	line := func(s ...string) string { return strings.Join(s, `\r\n`) + `\r\n` }
	head := []string{"v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"}
	section := func(port string, more ...string) []string {
		return append([]string{"m=video " + port + " UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=rtpmap:96 VP8/90000"}, more...)
	}
	var hundred []string
	for range 100 {
		hundred = append(hundred, section("9")...)
	}
	two := append(section("9"), section("9")...)
	tests := []struct {
		name, sdp, want string
	}{
		{"empty", "", "poll sdp answer: the answer is empty"},
		{"not SDP", "hello", "sdp answer: "},
		{"no section", line(head...), "sdp answer: 0 media sections for 2 tracks"},
		{"a hundred sections", line(append(head, hundred...)...), "sdp answer: 100 media sections for 2 tracks"},
		{"port 0", line(append(head, append(section("0"), section("9")...)...)...), "the server rejected track source"},
		{"neither fingerprint nor ICE", line(append(head, two...)...), "sdp answer: "},
		{"another offer's mids", line(append(head, "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:7", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:8")...), "sdp answer: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.srv.Fail(sessiontest.RouteAnswer, sessiontest.Fault{Status: 200, Body: `{"sdp_answer": "` + tt.sdp + `"}`})
				_, err := w.open(t, Config{})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				if n := w.srv.Sessions(); n != 0 {
					t.Errorf("%d sessions left", n)
				}
			})
		})
	}
}
