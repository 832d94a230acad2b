package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// says answers every request with the same body.
type says string

func (b says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, nil
}

// answered is a client whose every request is answered with body.
func answered(body string) *api {
	a := newAPI(Config{BaseURL: "http://server", Local: true, Logger: discard()})
	a.http.Transport = says(body)
	return a
}

// named fails where an error is not one of the operation.
func named(t *testing.T, op string, err error) {
	t.Helper()
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Operation != op) {
		t.Errorf("not an error of %s: %v", op, err)
	}
}

// FuzzAnswers: whatever a call is answered, it is taken or refused by name, and
// what is taken holds what it must.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		`{"session_id": "s", "state": "READY", "capabilities": {"tracks": []}}`,
		`{"session_id": "../x\n", "recording": {"enabled": true, "chunk_seconds": 1e300}}`,
		`{"connection_id": 7, "sdp_answer": "v=0\r\n"}`,
		`{"ice_servers": [{"uris": ["turn:x:1"], "credentials": {"username": "u", "password": "p"}}]}`,
		`{"jwt": "x", "expires_at": 1.5e9}`,
		`{"presigned_id": "u1", "presigned_url": "http://elsewhere/put?sig=x"}`,
		`{"presigned_id": "u1", "presigned_url": "file:///etc/passwd"}`,
		`{"presigned_id": "u1", "presigned_url": "file:;//etc/passwd"}`,
		`{"steps": [1, 2, 18446744073709551615]}`,
		`{"step": 1, "files": [{"name": "../x", "size": -1}], "usage": [{"fps": 1e999}], "messages": [{"type": "x", "data": null}]}`,
		"#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\nseg.m4s\n",
		`{"openapi": "3.1.0", "paths": {"/x": {"post": {}}}}`,
		`{"jwt": 7e999}`, `null`, `[]`, `{`, "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := answered(body)
		ctx := t.Context()
		for _, begin := range []func() (resource, error){
			func() (resource, error) { return a.session(ctx, "s") },
			func() (resource, error) { return a.create(ctx, Config{Model: "m"}) },
			func() (resource, error) { return a.startLocal(ctx, Config{Local: true}) },
			func() (resource, error) { return a.adoptLocal(ctx, "s") },
		} {
			r, err := begin()
			named(t, "connect", err)
			if err == nil && !sessionID.MatchString(r.SessionID) {
				t.Errorf("a session %q", r.SessionID)
			}
			if r.Capabilities != nil {
				named(t, "connect", checkTracks(r.Capabilities.Tracks))
			}
			_ = r.info()
		}
		fuzzSignalling(t, a)
		fuzzFiles(ctx, t, a)
		token, err := a.mint(ctx, "connect", "key", nil)
		if named(t, "connect", err); err == nil && token.JWT == "" {
			t.Error("an empty token")
		}
		if text := a.quote(strings.NewReader(body)); len(text) > maxQuoted+len("…") || text == "" || !utf8.ValidString(text) {
			t.Errorf("quoted as %q", text)
		}
	})
}

func fuzzSignalling(t *testing.T, a *api) {
	t.Helper()
	g := signalling{api: a, op: "connect"}
	servers, err := g.iceServers(t.Context())
	named(t, "connect", err)
	_ = tlsRelays(toPion(servers))
	id, err := g.register(t.Context())
	if named(t, "connect", err); err == nil && id == 0 {
		t.Error("a connection without an id")
	}
	sdp, _, err := g.answer(t.Context(), 1)
	if named(t, "connect", err); err == nil && sdp == "" {
		t.Error("an empty answer")
	}
	if err == nil {
		_, _ = sections(sdp)
		_ = wire.ParseFeatures(sdp)
	}
}

// fuzzFiles asks for all that has to do with files.
func fuzzFiles(ctx context.Context, t *testing.T, a *api) {
	t.Helper()
	slot, err := a.reserve(ctx, "s", UploadInfo{Name: "x", Size: 1})
	if named(t, "upload", err); err == nil {
		if slot.ID == "" {
			t.Error("an upload without an id")
		}
		if to, err := a.uploadURL(slot.URL); err == nil && !strings.HasPrefix(to, "http://server/") && to != "http://server" && !strings.HasPrefix(to, "http://server?") {
			t.Errorf("a local runtime has files sent to %q", to)
		}
	}
	s := &Session{api: a, id: "s", cfg: Config{}}
	_, err = s.Steps(ctx)
	named(t, opStepFiles, err)
	_, err = s.StepRecord(ctx, 1)
	named(t, opStepFiles, err)
	over := make(chan struct{})
	close(over)
	err = a.download(ctx, Clip{PlaylistURL: "http://server/clips/1"}, io.Discard, DownloadConfig{}, over)
	named(t, opDownload, err)
	if clip, err := newClip("request_clip", &wire.ClipReady{PlaylistUrl: slot.URL}, a.base); err == nil {
		if u, err := url.Parse(clip.PlaylistURL); err != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("a playlist at %q", clip.PlaylistURL)
		}
	}
	var document json.RawMessage
	_, err = a.do(ctx, exchange{op: "schema", hop: "schema", method: http.MethodGet, path: "/schema", out: &document})
	if named(t, "schema", err); err == nil {
		_, _ = ParseSchema(document)
	}
}
