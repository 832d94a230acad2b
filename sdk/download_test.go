package sdk

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// playlist is what servers answer for a clip of two chunks.
const playlist = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="/clips/chunks/r1/init.mp4"
#EXTINF:4.000,
/clips/chunks/r1/chunk_00000.m4s
#EXTINF:4.000,
chunks/r1/chunk_00001.m4s
#EXT-X-ENDLIST
`

func TestParsePlaylist(t *testing.T) {
	from, _ := url.Parse("https://h:1/clips?session_id=r1&start=0.000&end=8.000")
	tests := []struct {
		name, text string
		want       []string
		err        string
	}{
		{"a clip", playlist, []string{"https://h:1/clips/chunks/r1/init.mp4", "https://h:1/clips/chunks/r1/chunk_00000.m4s", "https://h:1/chunks/r1/chunk_00001.m4s"}, ""},
		{"signed elsewhere", "#EXTM3U\n#EXT-X-MAP:BYTES=1,URI=\"https://store/i.mp4?a=b,c\"\nhttps://store/1.m4s?sig=x\n", []string{"https://store/i.mp4?a=b,c", "https://store/1.m4s?sig=x"}, ""},
		{"whole segments", "#EXTM3U\r\n1.ts\r\n2.ts\r\n", []string{"https://h:1/1.ts", "https://h:1/2.ts"}, ""},
		{"not encrypted", "#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n1.ts\n", []string{"https://h:1/1.ts"}, ""},
		{"empty", "", nil, "no segments"},
		{"a page", "<html>", nil, "the first line is not #EXTM3U"},
		{"no segments", "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n", nil, "no segments"},
		{"no init segment", "#EXTM3U\n1.m4s\n", nil, "fragments without an init segment"},
		{"two init segments", "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n1.m4s\n#EXT-X-MAP:URI=\"j.mp4\"\n2.m4s\n", nil, "line 4: a second init segment"},
		{"a local file", "#EXTM3U\nfile:///etc/passwd\n", nil, `line 2: must be an http(s) address, got "file:///etc/passwd"`},
		{"a local init segment", "#EXTM3U\n#EXT-X-MAP:URI=\"file:///etc/passwd\"\n", nil, `line 2: must be an http(s) address, got "file:///etc/passwd"`},
		{"a data URL", "#EXTM3U\ndata:text/plain,x\n", nil, `line 2: must be an http(s) address, got "data:"`},
		{"no host", "#EXTM3U\nhttp:///x\n", nil, `line 2: must be an http(s) address, got "http:///x"`},
		{"no address", "#EXTM3U\nhttp://a b/%zz?sig=1\n", nil, `line 2: must be an http(s) address, got "(not a URL)"`},
		{"encrypted", "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n1.ts\n", nil, "line 2: encrypted segments are not supported"},
		{"parts of a file", "#EXTM3U\n#EXT-X-BYTERANGE:1@2\n1.ts\n", nil, "line 2: byte ranges are not supported"},
		{"a part of a file", "#EXTM3U\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"1@2\"\n1.ts\n", nil, "line 2: byte ranges are not supported"},
		{"several qualities", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", nil, "line 2: a list of playlists"},
		{"a huge line", "#EXTM3U\n" + strings.Repeat("x", maxURL+1), nil, "a line of more than 16384 bytes"},
		{"too many", "#EXTM3U\n" + strings.Repeat("a.ts\n", maxSegments+1), nil, "more than 21600 segments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parts, err := parsePlaylist([]byte(tt.text), from)
			var got []string
			for _, u := range parts {
				got = append(got, u.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || message(err) != tt.err {
				t.Errorf("error %v, want %s; addresses (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}

func FuzzParsePlaylist(f *testing.F) {
	f.Add([]byte(playlist))
	f.Add([]byte("#EXTM3U\n#EXT-X-MAP:URI=\"\nfile:///x\n"))
	f.Add([]byte("#EXTM3U\n#EXT-X-KEY:METHOD=\"\n//h/x\n"))
	from, _ := url.Parse("https://h:1/clips")
	f.Fuzz(func(t *testing.T, text []byte) {
		parts, err := parsePlaylist(text, from)
		if err != nil {
			return
		}
		if len(parts) == 0 || len(parts) > maxSegments+1 {
			t.Fatalf("%d parts", len(parts))
		}
		for _, u := range parts {
			if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				t.Fatalf("would fetch %s", u)
			}
		}
	})
}

// recorded serves the clip of playlist.
func recorded() answers {
	return answers{
		"GET /clips":                           respond(200, playlist),
		"GET /clips/chunks/r1/init.mp4":        respond(200, "init "),
		"GET /clips/chunks/r1/chunk_00000.m4s": respond(200, "one "),
		"GET /chunks/r1/chunk_00001.m4s":       respond(200, "two"),
	}
}

// in order, then the last one again and again.
func inOrder(handlers ...http.HandlerFunc) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		h := handlers[min(n, len(handlers)-1)]
		n++
		h(w, r)
	}
}

func notYet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(http.StatusAccepted)
}

func TestDownload(t *testing.T) {
	const clips, first = "GET /clips", "GET /clips/chunks/r1/chunk_00000.m4s"
	tests := []struct {
		name    string
		change  func(a answers)
		want    string
		err     string
		matches error
	}{
		{"whole", nil, "init one two", "", nil},
		{"not ready at once", func(a answers) { a[clips] = inOrder(notYet, a[clips]) }, "init one two", "", nil},
		{"a server that stumbles", func(a answers) {
			a[clips] = inOrder(respond(503, ""), a[clips])
			a[first] = inOrder(respond(500, ""), respond(502, ""), a[first])
		}, "init one two", "", nil},
		{"gone", func(a answers) { a[clips] = respond(410, `{"detail":"Recording unknown or aged out"}`) }, "", "download_clip: [CLIP_GONE] unexpected HTTP status 410 from playlist: Recording unknown or aged out", ErrNotFound},
		{"a segment gone", func(a answers) { delete(a, first) }, "init ", "download_clip: [CLIP_GONE] unexpected HTTP status 404 from segment 2 of 3: 404 page not found", ErrNotFound},
		{"a segment fails", func(a answers) { a[first] = respond(500, "sorry") }, "init ", "download_clip: [SERVER_ERROR] unexpected HTTP status 500 from segment 2 of 3: sorry", nil},
		{"refused", func(a answers) { a[clips] = respond(401, "who are you, "+jwt+"?") }, "", "download_clip: [UNAUTHORIZED] unexpected HTTP status 401 from playlist: who are you, ***?", ErrUnauthorized},
		{"a local file", func(a answers) { a[clips] = respond(200, "#EXTM3U\nfile:///etc/passwd\n") }, "", `download_clip: [INVALID_PLAYLIST] playlist: line 2: must be an http(s) address, got "file:///etc/passwd"`, nil},
		{"elsewhere", func(a answers) {
			a[clips] = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://elsewhere.example/clips?sig=1", http.StatusFound)
			}
		}, "", "download_clip: [SERVER_ERROR] unexpected HTTP status 302 from playlist: redirect to another host not followed", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := recorded()
			if tt.change != nil {
				tt.change(a)
			}
			srv := serve(t, a)
			var got bytes.Buffer
			var steps []int
			err := Download(t.Context(), Clip{PlaylistURL: srv.URL + "/clips?session_id=r1"}, &got, DownloadConfig{
				Token: jwt, Progress: func(done, total int) { steps = append(steps, done, total) },
			})
			if got.String() != tt.want || message(err) != tt.err {
				t.Errorf("got %q, %v\nwant %q, %s", got.String(), err, tt.want, tt.err)
			}
			if tt.matches != nil && !errors.Is(err, tt.matches) {
				t.Errorf("%v does not match %v", err, tt.matches)
			}
			if want := []int{1, 3, 2, 3, 3, 3}; err == nil && !cmp.Equal(want, steps) {
				t.Errorf("progress %v, want %v", steps, want)
			}
			for _, r := range srv.asked() {
				if r.Auth != "Bearer "+jwt {
					t.Errorf("%s came with %q", r.Line, r.Auth)
				}
			}
		})
	}
}

// TestTokenStaysWithThePlaylist: segments may lie on another host, which is not
// to see the token.
func TestTokenStaysWithThePlaylist(t *testing.T) {
	store := serve(t, recorded())
	srv := serve(t, answers{"GET /clips": respond(200, strings.ReplaceAll(
		strings.ReplaceAll(playlist, `"/`, `"`+store.URL+"/"), "\n/", "\n"+store.URL+"/",
	)), "GET /chunks/r1/chunk_00001.m4s": respond(200, "two")})
	var got bytes.Buffer
	if err := Download(t.Context(), Clip{PlaylistURL: srv.URL + "/clips"}, &got, DownloadConfig{Token: jwt}); err != nil || got.String() != "init one two" {
		t.Fatalf("got %q, %v", got.String(), err)
	}
	for _, r := range store.asked() {
		if r.Auth != "" {
			t.Errorf("%s came with %q", r.Line, r.Auth)
		}
	}
	for _, r := range srv.asked() {
		if r.Auth == "" {
			t.Errorf("%s came without the token", r.Line)
		}
	}
}

func TestDownloadErrors(t *testing.T) {
	t.Run("never ready", func(t *testing.T) {
		srv := serve(t, answers{"GET /clips": notYet})
		err := Download(t.Context(), Clip{PlaylistURL: srv.URL + "/clips"}, io.Discard, DownloadConfig{ReadyTimeout: 1})
		if message(err) != "download_clip: [REQUEST_TIMEOUT] timed out: the clip was not ready 1ns after it was to be" || !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the caller gives up", func(t *testing.T) {
		srv := serve(t, answers{"GET /clips": notYet})
		if err := Download(canceled(t), Clip{PlaylistURL: srv.URL + "/clips"}, io.Discard, DownloadConfig{}); message(err) != "download_clip: [ABORTED] canceled" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no place to write", func(t *testing.T) {
		srv := serve(t, recorded())
		r, w := io.Pipe()
		_ = r.CloseWithError(errors.New("disk full"))
		if err := Download(t.Context(), Clip{PlaylistURL: srv.URL + "/clips"}, w, DownloadConfig{}); message(err) != "download_clip: disk full" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not an address", func(t *testing.T) {
		err := Download(t.Context(), Clip{PlaylistURL: "file:///etc/passwd"}, io.Discard, DownloadConfig{})
		if message(err) != `download_clip: [INVALID_PLAYLIST] playlist: must be an http(s) address, got "file:///etc/passwd"` {
			t.Errorf("got %v", err)
		}
	})
	t.Run("too large", func(t *testing.T) {
		srv := serve(t, answers{"GET /x": respond(200, "12345")})
		a := newAPI(Config{BaseURL: srv.URL, Token: jwt, Logger: discard()})
		defer a.close()
		u, _ := url.Parse(srv.URL + "/x")
		if _, err := a.get(t.Context(), exchange{op: opDownload, hop: "segment 1 of 1", timeout: time.Minute}, u, 4); message(err) != "download_clip: [INVALID_PLAYLIST] segment 1 of 1: more than 4 bytes" {
			t.Errorf("got %v", err)
		}
	})
}

// TestDownloadTakesItsTime: what fails is asked for again after a pause, the one
// that the server asks for, but not beyond the time there is.
func TestDownloadTakesItsTime(t *testing.T) {
	later := func(seconds string) answers {
		return answers{"GET /clips": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", seconds)
			respond(429, "")(w, r)
		}}
	}
	tests := []struct {
		name string
		cfg  Config
		a    answers
		took time.Duration
		want string
	}{
		{"no token", Config{APIKey: key}, answers{"POST /tokens": respond(503, "")}, 3 * longClipPause, "[SERVER_ERROR] unexpected HTTP status 503 from token exchange: no details"},
		{"no answer", Config{Token: jwt}, answers{"GET /clips": respond(503, "")}, 3 * longClipPause, "[SERVER_ERROR] unexpected HTTP status 503 from playlist: no details"},
		{"asked to wait", Config{Token: jwt}, later("7"), 21 * time.Second, "[RATE_LIMITED] unexpected HTTP status 429 from playlist: no details"},
		{"asked to wait longer", Config{Token: jwt}, later("90"), readyTimeout, "[REQUEST_TIMEOUT] timed out: the clip was not ready 1m0s after it was to be"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.cfg.BaseURL, tt.cfg.Logger = "http://localhost", discard()
				a := newAPI(tt.cfg)
				a.http.Transport = tt.a
				over := make(chan struct{})
				close(over)
				begun := time.Now()
				err := a.download(t.Context(), Clip{PlaylistURL: "http://localhost/clips"}, io.Discard, DownloadConfig{}, over)
				if took := time.Since(begun); took != tt.took || message(err) != "download_clip: "+tt.want {
					t.Errorf("%v after %v\nwant %s after %v", err, took, tt.want, tt.took)
				}
			})
		})
	}
}

// RoundTrip answers without a network.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	a[r.Method+" "+r.URL.Path](w, r)
	return w.Result(), nil
}

func TestClipPause(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"": longClipPause, "0": firstClipPause, "0.5": 500 * time.Millisecond, "7": longClipPause, "Wed, 21 Oct 2015 07:28:00 GMT": longClipPause,
	} {
		if got := clipPause(in); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}

func TestNewClip(t *testing.T) {
	ready := &wire.ClipReady{
		SessionId: "r1", Kind: "snap", StartMarker: 2, EndMarker: 12.5, NowMarker: 12.5, PredictedReadyAtMs: 1700000000000,
		PlaylistUrl: "/clips?session_id=r1&start=2.000&end=12.500",
	}
	got, err := newClip("request_clip", ready, "https://h/prefix")
	want := Clip{
		RecordingID: "r1", Kind: ClipSnap, Start: 2 * time.Second, End: 12500 * time.Millisecond, Now: 12500 * time.Millisecond,
		ReadyAt: time.UnixMilli(1700000000000), PlaylistURL: "https://h/prefix/clips?session_id=r1&start=2.000&end=12.500",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for in, want := range map[string]string{
		"file:///etc/passwd": `request_clip: [DECODE_FAILED] playlist: must be an http(s) address, got "file:///etc/passwd"`,
		"":                   `request_clip: [DECODE_FAILED] playlist: must be an http(s) address, got ""`,
		"//other/clips":      `request_clip: [DECODE_FAILED] playlist: must be an http(s) address, got "//other/clips"`,
	} {
		if _, err := newClip("request_clip", &wire.ClipReady{PlaylistUrl: in}, "https://h"); message(err) != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}
