package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	key = "rk_very_secret"
	jwt = "eyJ.very.secret"
)

// server answers with the handlers of its map and keeps what it was asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex // guards what follows
	requests []seen
}

// seen is one request as the server saw it.
type seen struct {
	Line, Key, Auth, Body string
}

type answers map[string]http.HandlerFunc

func serve(t *testing.T, a answers) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := r.Method + " " + r.URL.Path
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, seen{line, r.Header.Get("Reactor-API-Key"), r.Header.Get("Authorization"), string(body)})
		s.mu.Unlock()
		if h := a[line]; h != nil {
			h(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) asked() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.requests...)
}

func (s *server) lines() []string {
	var out []string
	for _, r := range s.asked() {
		out = append(out, r.Line)
	}
	return out
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var (
	token      = respond(200, `{"jwt": "`+jwt+`", "expires_at": 4000000000}`)
	slim       = respond(201, `{"session_id": "s1", "state": "CREATED"}`)
	readyBody  = `{"session_id": "s1", "state": "ACTIVE", "selected_transport": {"protocol": "webrtc", "version": "1.0"}, "capabilities": {"protocol_version": "1.0", "tracks": [{"name": "main_video", "kind": "video", "direction": "recvonly"}]}}`
	ready      = respond(200, readyBody)
	deleted    = respond(204, "")
	noICE      = respond(200, `{"ice_servers": []}`)
	registered = respond(201, `{"connection_id": 7}`)
)

func connect(t *testing.T, cfg Config) error {
	t.Helper()
	s, err := Connect(t.Context(), cfg)
	if err == nil {
		_ = s.Close()
	}
	return err
}

func TestConnectErrors(t *testing.T) {
	tests := []struct {
		name  string
		serve answers
		cfg   Config
		want  string
		is    error
		again bool // recoverable
		lines []string
	}{
		{
			name:  "key refused",
			serve: answers{"POST /tokens": respond(401, `{"detail": "bad key `+key+`"}`)},
			cfg:   Config{Model: "acme/m", APIKey: key},
			want:  "connect: [UNAUTHORIZED] unexpected HTTP status 401 from token exchange: bad key ***",
			is:    ErrUnauthorized, lines: []string{"POST /tokens"},
		},
		{
			name:  "no token in the answer",
			serve: answers{"POST /tokens": respond(200, `{}`)},
			cfg:   Config{Model: "acme/m", APIKey: key},
			want:  "connect: [UNAUTHORIZED] token exchange: the answer holds no token",
			is:    ErrUnauthorized, lines: []string{"POST /tokens"},
		},
		{
			name:  "token refused and repeated",
			serve: answers{"POST /sessions": respond(403, "no: Bearer "+jwt)},
			cfg:   Config{Model: "acme/m", Token: jwt},
			want:  "connect: [UNAUTHORIZED] unexpected HTTP status 403 from create session: no: Bearer ***",
			is:    ErrUnauthorized, lines: []string{"POST /sessions"},
		},
		{
			name:  "unknown model",
			serve: answers{"POST /sessions": respond(404, "")},
			cfg:   Config{Model: "acme/m", Token: jwt},
			want:  "connect: [NOT_FOUND] unexpected HTTP status 404 from create session: no details",
			is:    ErrNotFound, lines: []string{"POST /sessions"},
		},
		{
			name: "rate limited", again: true,
			serve: answers{"POST /sessions": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(429)
			}},
			cfg:  Config{Model: "acme/m", Token: jwt},
			want: "connect: [RATE_LIMITED] unexpected HTTP status 429 from create session: no details",
			is:   ErrRateLimited, lines: []string{"POST /sessions"},
		},
		{
			name:  "client too old",
			serve: answers{"POST /sessions": respond(426, "upgrade")},
			cfg:   Config{Model: "acme/m", Token: jwt},
			want:  "connect: [VERSION_MISMATCH] unexpected HTTP status 426 from create session: upgrade",
			lines: []string{"POST /sessions"},
		},
		{
			name:  "not JSON",
			serve: answers{"POST /sessions": respond(200, "<html>")},
			cfg:   Config{Model: "acme/m", Token: jwt},
			want:  "connect: [DECODE_FAILED] answer to create session: invalid character '<' looking for beginning of value",
			lines: []string{"POST /sessions"},
		},
		{
			name:  "terminal state",
			serve: answers{"POST /sessions": respond(201, `{"session_id": "s1", "state": "CLOSED"}`), "DELETE /sessions/s1": deleted},
			cfg:   Config{Model: "acme/m", Token: jwt},
			want:  "connect: [SESSION_TERMINAL] session entered terminal state CLOSED",
			is:    ErrSessionEnded, lines: []string{"POST /sessions", "DELETE /sessions/s1"},
		},
		{
			name: "stepped session",
			serve: answers{
				"POST /sessions":      respond(201, strings.Replace(readyBody, `"state"`, `"generation": "stepped", "state"`, 1)),
				"DELETE /sessions/s1": deleted,
			},
			cfg:   Config{Model: "acme/m", Token: jwt},
			want:  "connect: [GENERATION_MODE_MISMATCH] requested streamed generation, but the runtime started the session in stepped",
			lines: []string{"POST /sessions", "DELETE /sessions/s1"},
		},
		{
			name: "signalling fails", again: true,
			serve: answers{
				"POST /sessions": slim, "GET /sessions/s1": ready, "DELETE /sessions/s1": deleted,
				"GET /sessions/s1/transport/webrtc/ice_servers": respond(500, "Internal Server Error"),
			},
			cfg:  Config{Model: "acme/m", Token: jwt},
			want: "connect: [SERVER_ERROR] unexpected HTTP status 500 from ice servers: Internal Server Error",
			lines: []string{
				"POST /sessions", "GET /sessions/s1", "GET /sessions/s1/transport/webrtc/ice_servers", "DELETE /sessions/s1",
			},
		},
		{
			name:  "adopted session is not ended",
			serve: answers{"GET /sessions/s1": respond(200, `{"session_id": "s1", "state": "INACTIVE"}`)},
			cfg:   Config{SessionID: "s1", Token: jwt},
			want:  "connect: [SESSION_TERMINAL] session entered terminal state INACTIVE",
			is:    ErrSessionEnded, lines: []string{"GET /sessions/s1"},
		},
		{
			name:  "local runtime busy",
			serve: answers{"POST /start_session": respond(409, `{"detail": "cannot start session while streaming"}`)},
			cfg:   Config{Local: true},
			want:  "connect: [CONFLICT] unexpected HTTP status 409 from start session: cannot start session while streaming",
			is:    ErrConflict, lines: []string{"POST /start_session"},
		},
		{
			name: "local runtime loading", again: true,
			serve: answers{"POST /start_session": respond(503, `{"detail": "cannot start session while created: the model is still loading"}`)},
			cfg:   Config{Local: true},
			want:  "connect: [SERVER_ERROR] unexpected HTTP status 503 from start session: cannot start session while created: the model is still loading",
			lines: []string{"POST /start_session"},
		},
		{
			name:  "local runtime serves another session",
			serve: answers{"GET /session": respond(200, `{"session_id": "other", "state": "streaming"}`)},
			cfg:   Config{Local: true, SessionID: "s1"},
			want:  "connect: [INVALID_STATE] local runtime is serving session other, not the requested s1",
			lines: []string{"GET /session"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, tt.serve)
			tt.cfg.BaseURL = srv.URL + "/"
			err := connect(t, tt.cfg)
			if message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Recoverable != tt.again {
				t.Errorf("recoverable: %+v", e)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if diff := cmp.Diff(tt.lines, srv.lines()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	srv := serve(t, nil)
	url := srv.URL
	srv.Close()
	err := connect(t, Config{Model: "acme/m", Token: jwt, BaseURL: url})
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeNetwork || !e.Recoverable {
		t.Fatalf("got %v", err)
	}
	want := "connect: [NETWORK_ERROR] create session at " + url + ": dial tcp"
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

func TestRetryAfterOnError(t *testing.T) {
	srv := serve(t, answers{"POST /start_session": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1.5")
		w.WriteHeader(503)
	}})
	var e *Error
	if err := connect(t, Config{Local: true, BaseURL: srv.URL}); !errors.As(err, &e) || e.RetryAfter != 1500*time.Millisecond || e.Status != 503 {
		t.Errorf("got %+v", e)
	}
}

func TestLocalRuntimeStillClosing(t *testing.T) {
	busy := 2
	srv := serve(t, answers{"POST /start_session": func(w http.ResponseWriter, _ *http.Request) {
		if busy--; busy >= 0 {
			respond(409, `{"detail": "cannot start session while closing"}`)(w, nil)
			return
		}
		respond(400, `{"detail": "enough"}`)(w, nil)
	}})
	err := connect(t, Config{Local: true, BaseURL: srv.URL})
	if want := "connect: [BAD_REQUEST] unexpected HTTP status 400 from start session: enough"; message(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := len(srv.lines()); got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
}

func TestTokens(t *testing.T) {
	failing := answers{
		"POST /tokens": token, "POST /sessions": respond(500, ""), "GET /sessions/s1": respond(500, ""), "GET /sessions/s%201": respond(500, ""),
	}
	tests := []struct {
		name string
		cfg  Config
		want []seen
	}{
		{
			"create",
			Config{Model: "acme/m", APIKey: key},
			[]seen{
				{"POST /tokens", key, "", `{"authorization_details":[{"type":"session","resources":{"models":{"match":["acme/m"]}}}]}`},
				{"POST /sessions", "", "Bearer " + jwt, `{"model":{"name":"acme/m"},"client_info":{"sdk_version":"` + Version + `","sdk_type":"go"},"supported_transports":[{"protocol":"webrtc","version":"1.0"}]}`},
			},
		},
		{
			"create with a time limit",
			Config{Model: "acme/m", APIKey: key, MaxSessionDuration: 2 * time.Minute},
			[]seen{
				{"POST /tokens", key, "", `{"authorization_details":[{"type":"session","resources":{"models":{"match":["acme/m"]}},"constraints":{"max_session_duration_seconds":120}}]}`},
				{"POST /sessions", "", "Bearer " + jwt, `{"model":{"name":"acme/m"},"client_info":{"sdk_version":"` + Version + `","sdk_type":"go"},"supported_transports":[{"protocol":"webrtc","version":"1.0"}]}`},
			},
		},
		{
			"adopt",
			Config{SessionID: "s1", APIKey: key},
			[]seen{
				{"POST /tokens", key, "", `{"authorization_details":[{"type":"session","resources":{"models":{"all":true},"sessions":{"bind":["s1"]}}}]}`},
				{"GET /sessions/s1", "", "Bearer " + jwt, ""},
			},
		},
		{
			"given token wins",
			Config{SessionID: "s1", APIKey: key, Token: "given"},
			[]seen{{"GET /sessions/s1", "", "Bearer given", ""}},
		},
		{
			"local runtimes get none",
			Config{Local: true, APIKey: key, Token: "given"},
			[]seen{{"POST /start_session", "", "", "{}"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, failing)
			tt.cfg.BaseURL = srv.URL
			if err := connect(t, tt.cfg); err == nil {
				t.Fatal("connected")
			}
			if diff := cmp.Diff(tt.want, srv.asked()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenIsMintedAgainBeforeItEnds(t *testing.T) {
	srv := serve(t, answers{"POST /tokens": token})
	a := newAPI(Config{Model: "m", APIKey: key, BaseURL: srv.URL, Logger: discard()})
	defer a.close()
	get := func() {
		t.Helper()
		if got, err := a.tokens.get(t.Context(), "connect"); got != jwt || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	get()
	a.tokens.bind("s1")
	get() // the first still holds
	a.tokens.expires = time.Now()
	get()
	want := []string{
		`{"authorization_details":[{"type":"session","resources":{"models":{"match":["m"]}}}]}`,
		`{"authorization_details":[{"type":"session","resources":{"models":{"all":true},"sessions":{"bind":["s1"]}}}]}`,
	}
	var got []string
	for _, r := range srv.asked() {
		got = append(got, r.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
}

func TestUsable(t *testing.T) {
	tests := []struct{ life, want time.Duration }{
		{6 * time.Hour, 6*time.Hour - time.Minute},
		{time.Minute, 30 * time.Second},
		{-time.Hour, time.Minute},
	}
	for _, tt := range tests {
		if got := usable(tt.life); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.life, got, tt.want)
		}
	}
}

func TestKeyStaysWithItsHost(t *testing.T) {
	thief := serve(t, answers{})
	for _, status := range []int{301, 302, 307, 308} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			srv := serve(t, answers{"POST /tokens": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+"/tokens", status)
			}})
			err := connect(t, Config{Model: "m", APIKey: key, BaseURL: srv.URL})
			want := fmt.Sprintf("connect: [SERVER_ERROR] unexpected HTTP status %d from token exchange: redirect to another host not followed", status)
			if message(err) != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	if got := thief.asked(); got != nil {
		t.Errorf("the other host was asked: %+v", got)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	srv := serve(t, answers{"POST /sessions": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"session_id": "`)
		block := strings.Repeat("x", 1<<20)
		for range 40 {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	}})
	err := connect(t, Config{Model: "m", Token: jwt, BaseURL: srv.URL})
	if want := "connect: [DECODE_FAILED] answer to create session: larger than 16777216 bytes"; message(err) != want {
		t.Errorf("got %.200v, want %s", err, want)
	}
}

func TestCanceledConnectEndsTheSession(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := serve(t, answers{
		"POST /sessions": slim, "DELETE /sessions/s1": deleted,
		"GET /sessions/s1": func(w http.ResponseWriter, _ *http.Request) { cancel(); slim(w, nil) },
	})
	_, err := Connect(ctx, Config{Model: "m", Token: jwt, BaseURL: srv.URL})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if want := "connect: [ABORTED] canceled"; message(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if lines := srv.lines(); lines[len(lines)-1] != "DELETE /sessions/s1" {
		t.Errorf("requests: %q", lines)
	}
}

// TestCanceledCreation gives up while the server makes the session.
func TestCanceledCreation(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"cloud", Config{Model: "m", Token: jwt}, []string{"POST /sessions", "DELETE /sessions/s1"}},
		{"local", Config{Local: true}, []string{"POST /start_session", "POST /stop_session"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			late := func(w http.ResponseWriter, r *http.Request) { cancel(); ready(w, r) }
			srv := serve(t, answers{
				"POST /sessions": late, "POST /start_session": late, "DELETE /sessions/s1": deleted, "POST /stop_session": deleted,
			})
			tt.cfg.BaseURL = srv.URL
			if _, err := Connect(ctx, tt.cfg); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, srv.lines()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("before the start", func(t *testing.T) {
		srv := serve(t, nil)
		if _, err := Connect(canceled(t), Config{Local: true, BaseURL: srv.URL}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if lines := srv.lines(); lines != nil {
			t.Errorf("requests: %q", lines)
		}
	})
}

func TestSessionIsPolled(t *testing.T) {
	polls := 0
	srv := serve(t, answers{
		"POST /sessions": slim, "DELETE /sessions/s1": deleted,
		"GET /sessions/s1": func(w http.ResponseWriter, r *http.Request) {
			switch polls++; polls {
			case 1:
				respond(503, "hiccup")(w, r)
			case 2:
				respond(200, `{"session_id": "s1", "state": "PENDING", "new_field": {}}`)(w, r)
			default:
				respond(200, `{"session_id": "s1", "state": "INACTIVE"}`)(w, r)
			}
		},
	})
	err := connect(t, Config{Model: "m", Token: jwt, BaseURL: srv.URL})
	if !errors.Is(err, ErrSessionEnded) || polls != 3 {
		t.Errorf("%d polls, %v", polls, err)
	}
}

// rejecting answers an offer with port 0 for its sections of a kind.
func rejecting(kind string) answers {
	var mu sync.Mutex
	var posted string
	prefix := "/sessions/s1/transport/webrtc"
	return answers{
		"POST /sessions": respond(201, strings.Replace(readyBody, `{"name": "main_video"`,
			`{"name": "main_audio", "kind": "audio", "direction": "recvonly"}, {"name": "main_video"`, 1)),
		"DELETE /sessions/s1": deleted, "GET " + prefix + "/ice_servers": noICE, "POST " + prefix + "/connections": registered,
		"POST " + prefix + "/connections/7/ice_candidates": respond(202, ""),
		"POST " + prefix + "/connections/7/sdp_params": func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			posted = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
			for i, k := range []string{"audio", "video"} {
				port := 9
				if k == kind {
					port = 0
				}
				posted += fmt.Sprintf("m=%s %d UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\n", k, port, i)
			}
			respond(202, `{"connection_id": 7}`)(w, r)
		},
		"GET " + prefix + "/connections/7/sdp_params": func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			b, _ := json.Marshal(map[string]any{"sdp_answer": posted, "connection_id": 7})
			respond(200, string(b))(w, r)
		},
	}
}

func TestRejectedTrack(t *testing.T) {
	tests := []struct{ kind, want string }{
		{"audio", "connect: [NO_COMMON_CODEC] the server rejected track main_audio: it knows none of the codecs offered (opus)"},
		{"video", "connect: [NO_COMMON_CODEC] the server rejected track main_video: it knows none of the codecs offered (h264)"},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			srv := serve(t, rejecting(tt.kind))
			err := connect(t, Config{Model: "m", Token: jwt, BaseURL: srv.URL, Codecs: []string{"h264"}})
			if message(err) != tt.want || !errors.Is(err, ErrNoCodec) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			// An upload of candidates that was given up may come behind it.
			if lines := srv.lines(); !slices.Contains(lines[len(lines)-2:], "DELETE /sessions/s1") {
				t.Errorf("requests: %q", lines)
			}
		})
	}
}

// offered returns what is posted by who wants these codecs.
func offered(t *testing.T, codecs []string) (o offer) {
	t.Helper()
	srv := serve(t, rejecting("video"))
	_ = connect(t, Config{Model: "m", Token: jwt, BaseURL: srv.URL, Codecs: codecs})
	for _, r := range srv.asked() {
		if strings.HasSuffix(r.Line, "POST /sessions/s1/transport/webrtc/connections/7/sdp_params") {
			if err := json.Unmarshal([]byte(r.Body), &o); err != nil {
				t.Fatal(err)
			}
		}
	}
	return o
}

// Codecs are offered in the order in which they are wanted, and nothing that a
// server would wrap them in; frame metadata only where none of them is AV1, which
// cannot carry it.
func TestOfferedCodecs(t *testing.T) {
	for _, wanted := range [][]string{
		nil, {"h264"}, {"vp8", "h264", "vp9"}, {"h265", "vp9"}, {"h264", "av1", "vp8"}, {"av1"},
	} {
		sdp := offered(t, wanted).SDP
		_, video, _ := strings.Cut(sdp, "m=video")
		line, video, _ := strings.Cut(video, "\r\n")
		var got []string
		for _, pt := range strings.Fields(line)[2:] {
			_, name, _ := strings.Cut(video, "a=rtpmap:"+pt+" ")
			name, _, _ = strings.Cut(name, "/")
			if name = strings.ToLower(name); !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
		want := wanted
		if want == nil {
			want = []string{"vp8", "vp9", "h264"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q:\n%s", got, want, sdp)
		}
		if got := strings.Contains(sdp, "a=x-reactor-frame-metadata"); got == slices.Contains(want, "av1") {
			t.Errorf("%q: frame metadata offered: %t", want, got)
		}
		for _, never := range []string{"rtx", "/red", "ulpfec", "flexfec"} {
			if strings.Contains(strings.ToLower(sdp), never) {
				t.Errorf("%q: the offer holds %s:\n%s", want, never, sdp)
			}
		}
	}
}

// TestOffer looks at what is posted.
func TestOffer(t *testing.T) {
	o := offered(t, []string{"vp9", "h264"})
	want := []trackMapping{
		{MID: "0", Name: "main_audio", Kind: "audio", Direction: "recvonly"},
		{MID: "1", Name: "main_video", Kind: "video", Direction: "recvonly"},
	}
	if diff := cmp.Diff(want, o.Mapping); diff != "" {
		t.Errorf("mapping (-want +got):\n%s", diff)
	}
	if o.ICEServers != nil {
		t.Errorf("a cloud offer names ICE servers: %v", *o.ICEServers)
	}
	session, media, _ := strings.Cut(o.SDP, "m=")
	for _, attr := range []string{"a=x-reactor-frame-metadata:1\r\n", "a=x-reactor-dc-chunking:1 max-message-size=67108864\r\n"} {
		if !strings.Contains(session, attr) {
			t.Errorf("the session level lacks %q", attr)
		}
	}
	for _, never := range []string{"rtx", "/red", "ulpfec", "flexfec", "AV1", "VP8"} {
		if strings.Contains(strings.ToLower(media), strings.ToLower(never)) {
			t.Errorf("the offer holds %s:\n%s", never, media)
		}
	}
	if !strings.Contains(media, "video 9 UDP/TLS/RTP/SAVPF 98 102 104 106 108\r\n") {
		t.Errorf("codecs are not in the order asked for:\n%s", media)
	}
	for _, always := range []string{
		"transport-wide-cc", "a=rtcp-fb:98 nack\r\n", "a=rtcp-fb:98 nack pli\r\n", "a=rtcp-fb:98 transport-cc\r\n", "a=rtcp-fb:98 ccm fir\r\n",
	} {
		if strings.Count(media, always) == 0 {
			t.Errorf("the offer lacks %q:\n%s", always, media)
		}
	}
	if i, j := strings.Index(media, "application"), strings.Index(media, "video 9"); i < j {
		t.Error("the data channels are not last")
	}
}
