package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSink(t *testing.T) {
	s := newServer(t)
	pipetest.Sink(t, pipetest.Case{
		Register: webhook.Register, Kind: "webhook",
		Config: "{url: '" + s.URL + "', buffer: {path: " + filepath.Join(t.TempDir(), "buffer") + "}}",
	})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*webhook.Config)
		want   string
	}{
		{"good", func(*webhook.Config) {}, ""},
		{"no url", func(c *webhook.Config) { c.URL = "" }, "url: is required"},
		{"no host", func(c *webhook.Config) { c.URL = "https:///x" }, "url: must be like https://example.com/hook"},
		{"scheme", func(c *webhook.Config) { c.URL = "ftp://user:secret@example.com/" }, "url: must be like https://example.com/hook"},
		{"header", func(c *webhook.Config) { c.Headers = map[string]string{"a b": "x"} }, `headers: "a b" is no name of a header`},
		{"value", func(c *webhook.Config) { c.Headers = map[string]string{"A": "secret\n"} }, "headers: the value of A holds what no header can"},
		{"ours", func(c *webhook.Config) { c.Headers = map[string]string{"content-type": "x"} }, "headers: Content-Type is set by the sink itself"},
		{"timeout", func(c *webhook.Config) { c.Timeout = 0 }, "timeout: must be positive, got 0s"},
		{"buffer", func(c *webhook.Config) { c.Buffer.Size = 1 }, "buffer.size: must be 1MiB at least, got 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := webhook.Default()
			cfg.URL = "https://example.com/hook?token=secret"
			tt.change(&cfg)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// request is what the server got.
type request struct {
	body   string
	header http.Header
	status int // that it was answered with
}

// server answers requests as the script says, and with 204 once that is over.
type server struct {
	*httptest.Server
	got chan request

	mu     sync.Mutex // guards script
	script []func(http.ResponseWriter)
}

func newServer(t *testing.T, script ...func(http.ResponseWriter)) *server {
	t.Helper()
	s := &server{got: make(chan request, 1000), script: script}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	answer := func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	if len(s.script) > 0 {
		answer, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	rec := &recorder{ResponseWriter: w}
	answer(rec)
	s.got <- request{string(body), r.Header, rec.status}
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "not like\nthis")
	}
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(*recorder).ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// quick is a clock whose waits are over at once, but for the long ones of an
// outbox at rest.
type quick struct{ pipeline.SystemClock }

func (quick) After(d time.Duration) <-chan time.Time {
	if d >= 2*time.Second { // Close, too, has its time
		return time.After(d)
	}
	return time.After(0)
}

// rig is a sink and what it says.
type rig struct {
	t      *testing.T
	cfg    webhook.Config
	sink   pipeline.Sink
	log    pipetest.Log
	counts pipetest.Counters
}

func newRig(t *testing.T, url string, change func(*webhook.Config)) *rig {
	t.Helper()
	r := &rig{t: t, cfg: webhook.Default()}
	r.cfg.URL, r.cfg.Buffer.Path = url, t.TempDir()
	if change != nil {
		change(&r.cfg)
	}
	if err := r.cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r.open()
	t.Cleanup(r.close)
	return r
}

func (r *rig) open() {
	r.t.Helper()
	sink, err := webhook.New(pipeline.Env{
		Name: "hook", Log: slog.New(slog.NewTextHandler(&r.log, nil)), Clock: quick{}, Metrics: &r.counts,
	}, r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sink = sink
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.sink.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) write(seqs ...uint64) {
	r.t.Helper()
	for _, seq := range seqs {
		f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: seq, Width: 64, Height: 48}, nil)
		if err := r.sink.Write(r.t.Context(), f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// seqs returns which frames a body holds.
func seqs(t *testing.T, body string) (got []uint64) {
	t.Helper()
	type frame struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
	}
	var frames []frame
	if !strings.HasPrefix(body, "[") {
		body = "[" + body + "]"
	}
	if err := json.Unmarshal([]byte(body), &frames); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, f := range frames {
		if f.Stream != "cam" {
			t.Errorf("got %s", body)
		}
		got = append(got, f.Seq)
	}
	return got
}

func TestPostsFrames(t *testing.T) {
	s := newServer(t)
	r := newRig(t, s.URL+"/hook", func(c *webhook.Config) {
		c.Headers = map[string]string{"Authorization": "Bearer t", "X-Site": "north"}
		c.Secret = "shared"
	})
	r.write(1, 2)
	ids := make(map[string]bool)
	for want := range uint64(2) {
		got := <-s.got
		if diff := cmp.Diff(seqs(t, got.body), []uint64{want + 1}); diff != "" || got.body[0] != '{' {
			t.Errorf("got %s: %s", got.body, diff)
		}
		mac := hmac.New(sha256.New, []byte("shared"))
		mac.Write([]byte(got.body))
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Authorization": "Bearer t", "X-Site": "north", "User-Agent": "reactorpipe",
			"X-Reactorpipe-Signature": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
		} {
			if got := got.header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		ids[got.header.Get("Idempotency-Key")] = true
	}
	if len(ids) != 2 {
		t.Errorf("not each has an id of its own: %v", ids)
	}
}

// What becomes of the first frame when the server answers so.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer func(http.ResponseWriter)
		again  bool // it is sent again
		said   string
	}{
		{"taken", status(http.StatusOK), false, ""},
		{"hangs up", hangUp, true, "EOF"},
		{"500", status(http.StatusInternalServerError), true, "the server answers 500 Internal Server Error: not like this"},
		{"408", status(http.StatusRequestTimeout), true, "the server answers 408 Request Timeout: not like this"},
		{"429", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}, true, "the server answers 429 Too Many Requests"},
		{"503 until a date", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", time.Now().Add(time.Second).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, true, "the server answers 503 Service Unavailable"},
		{"a redirect", func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(http.StatusFound)
		}, true, "the server answers 302 Found"},
		{"400", status(http.StatusBadRequest), false, "the server answers 400 Bad Request: not like this"},
		{"404", status(http.StatusNotFound), false, "the server answers 404 Not Found: not like this"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, tt.answer)
			r := newRig(t, s.URL, nil)
			r.write(1, 2)
			want := []uint64{1, 2}
			if tt.again {
				want = []uint64{1, 1, 2}
			}
			var got []uint64
			ids := make(map[uint64]string)
			for range want {
				req := <-s.got
				seq := seqs(t, req.body)[0]
				got = append(got, seq)
				id := req.header.Get("Idempotency-Key")
				if other, again := ids[seq]; again && other != id {
					t.Errorf("the second time it is %s, and was %s", id, other)
				}
				ids[seq] = id
			}
			r.close()
			if diff := cmp.Diff(got, want); diff != "" {
				t.Error(diff)
			}
			refused := 0.0
			if tt.said != "" && !tt.again {
				refused = 1
			}
			if got := r.counts.Get("refused_total"); got != refused {
				t.Errorf("%g are counted as refused, want %g", got, refused)
			}
			if !strings.Contains(r.log.String(), tt.said) {
				t.Errorf("the log does not say %q:\n%s", tt.said, r.log.String())
			}
		})
	}
}

func TestBatches(t *testing.T) {
	release := make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter) { <-release; w.WriteHeader(http.StatusOK) })
	r := newRig(t, s.URL, func(c *webhook.Config) { c.Batch = 3 })
	r.write(1)
	// The server has the first, and keeps it until all others wait.
	r.write(2, 3, 4, 5, 6)
	close(release)
	var got [][]uint64
	n := 0
	for n < 6 {
		req := <-s.got
		if req.body[0] != '[' {
			t.Errorf("got %s", req.body)
		}
		got = append(got, seqs(t, req.body))
		n += len(got[len(got)-1])
	}
	next := uint64(1)
	for _, batch := range got {
		if len(batch) > 3 {
			t.Errorf("%d in a batch", len(batch))
		}
		for _, seq := range batch {
			if seq != next {
				t.Errorf("got %v", got)
			}
			next++
		}
	}
	if len(got) > 4 {
		t.Errorf("got %v", got)
	}
}

// A server that is away for longer than the program runs loses nothing.
func TestServerAway(t *testing.T) {
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := away.Addr().String()
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "http://"+addr, nil)
	var want []uint64
	for run := range uint64(3) {
		for i := range uint64(10) {
			r.write(10*run + i)
			want = append(want, 10*run+i)
		}
		r.close()
		r.open()
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("somebody has taken the port: %v", err)
	}
	s := &server{got: make(chan request, 100)}
	s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	s.Start()
	t.Cleanup(s.Close)
	var got []uint64
	for range want {
		got = append(got, seqs(t, (<-s.got).body)...)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestTimeout(t *testing.T) {
	hung := make(chan struct{})
	t.Cleanup(func() { close(hung) })
	s := newServer(t, func(http.ResponseWriter) { <-hung })
	r := newRig(t, s.URL, func(c *webhook.Config) { c.Timeout = 1 })
	r.write(1)
	for !strings.Contains(r.log.String(), "not delivered") {
		<-time.After(time.Millisecond)
	}
	if got := r.log.String(); !strings.Contains(got, "Client.Timeout") && !strings.Contains(got, "deadline exceeded") && !strings.Contains(got, "i/o timeout") {
		t.Errorf("got %s", got)
	}
}

// Nothing that may be secret is said, whatever goes wrong.
func TestSecrets(t *testing.T) {
	s := newServer(t, status(http.StatusInternalServerError), hangUp, status(http.StatusForbidden))
	url := strings.Replace(s.URL, "http://", "http://user:secret@", 1) + "/secret?token=secret"
	r := newRig(t, url, func(c *webhook.Config) {
		c.Headers, c.Secret = map[string]string{"Authorization": "Bearer secret"}, "secret"
	})
	r.write(1)
	for range 3 {
		<-s.got
	}
	r.close()
	if got := r.log.String(); strings.Contains(got, "secret") || !strings.Contains(got, "refused for good") {
		t.Errorf("got %s", got)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := webhook.Default()
	cfg.URL, cfg.Buffer.Path = "http://example.com", file+"/buffer"
	_, err := webhook.New(pipeline.Env{Clock: quick{}, Metrics: pipeline.NoMetrics{}}, cfg)
	want := "buffer.path: mkdir " + file + ": not a directory"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}
