package preview_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/preview"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{
		Register: preview.Register, Kind: "preview", Config: "{addr: '127.0.0.1:0'}", Live: mat.Live,
	})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*preview.Config)
		want   string
	}{
		{"default", func(*preview.Config) {}, ""},
		{"any port", func(c *preview.Config) { c.Addr = ":0" }, ""},
		{"no port", func(c *preview.Config) { c.Addr = "localhost" }, `addr: must be host:port, got "localhost"`},
		{"width", func(c *preview.Config) { c.Width = -1 }, "width: must be 0 to 65535, got -1"},
		{"fps", func(c *preview.Config) { c.FPS = 0 }, "fps: must be positive, got 0"},
		{"quality", func(c *preview.Config) { c.Quality = 101 }, "quality: must be 1 to 100, got 101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := preview.Default()
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

// session is one that remembers commands.
type session struct {
	pipeline.Session
	*pipeline.CommandLedger
}

// Effects are those that somebody else has measured.
func (session) Effects() []pipeline.Effects {
	return []pipeline.Effects{{Command: "set_prompt", Seen: 3, NotSeen: 1, P50MS: 210, P95MS: 400}}
}

// open returns a running preview and its URL. What it logs goes to log.
func open(t *testing.T, cfg preview.Config, log *bytes.Buffer) (pipeline.Sink, session, string) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s := session{CommandLedger: pipeline.NewLedger(100)}
	sink, err := preview.New(pipeline.Env{
		Name: "page", Log: slog.New(slog.NewTextHandler(log, nil)),
		Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Session: s,
	}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	url := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(log.String())
	if url == nil {
		t.Fatalf("no URL in the log: %s", log)
	}
	return sink, s, url[1]
}

// feed writes frames until the returned function is called.
func feed(t *testing.T, sink pipeline.Sink, width, height int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for seq := uint64(0); ctx.Err() == nil; seq++ {
			if err := writeFrame(ctx, t, sink, seq, width, height); err != nil {
				t.Errorf("write: %v", err)
			}
			<-ticker.C
		}
	}()
	return func() { cancel(); <-done }
}

func writeFrame(ctx context.Context, t *testing.T, sink pipeline.Sink, seq uint64, width, height int) error {
	t.Helper()
	f := pipeline.NewFrame(pipeline.Meta{
		Stream: "cam", Seq: seq, Width: width, Height: height, Arrival: time.Now().Add(-25 * time.Millisecond),
	}, pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: width, Height: height}))
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, make([]pipeline.Detection, 3))
	return errors.Join(sink.Write(ctx, f), f.Release())
}

func get(t *testing.T, url string) (*http.Response, *bufio.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

func TestSnapshotIsScaledDown(t *testing.T) {
	tests := []struct{ width, wantWidth, wantHeight int }{{0, 160, 120}, {80, 80, 60}, {960, 160, 120}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.width), func(t *testing.T) {
			cfg := preview.Default()
			cfg.Width = tt.width
			sink, _, url := open(t, cfg, new(bytes.Buffer))
			defer feed(t, sink, 160, 120)()
			resp, body := get(t, url+"/snapshot.jpg")
			if got := resp.Header.Get("Content-Type"); got != "image/jpeg" {
				t.Errorf("got type %q", got)
			}
			size, err := jpeg.DecodeConfig(body)
			if err != nil {
				t.Fatal(err)
			}
			if size.Width != tt.wantWidth || size.Height != tt.wantHeight {
				t.Errorf("got %dx%d, want %dx%d", size.Width, size.Height, tt.wantWidth, tt.wantHeight)
			}
		})
	}
}

func TestStreamSendsPictureAfterPicture(t *testing.T) {
	cfg := preview.Default()
	cfg.FPS = 1000
	sink, _, url := open(t, cfg, new(bytes.Buffer))
	stop := feed(t, sink, 160, 120)
	defer stop()
	resp, body := get(t, url+"/stream.mjpg")
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(body, params["boundary"])
	for range 3 {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jpeg.Decode(part); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := sink.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after close the stream ends with %v", err)
	}
}

func TestState(t *testing.T) {
	sink, session, url := open(t, preview.Default(), new(bytes.Buffer))
	session.Note(pipeline.CommandRecord{Time: time.Now(), Command: "set_prompt", Outcome: pipeline.CommandSent})
	for seq := range uint64(5) {
		if err := writeFrame(t.Context(), t, sink, seq, 64, 48); err != nil {
			t.Fatal(err)
		}
	}
	_, body := get(t, url+"/state.json")
	var got struct {
		Node, Stream  string
		Seq, Frames   uint64
		Width, Height int
		FPS           float64
		LatencyMS     struct{ P50, P95 float64 } `json:"latency_ms"`
		Frame         struct{ Annotations map[string]map[string][]any }
		Commands      []struct{ Command, Outcome string }
		Effects       []pipeline.Effects
		Session       bool
		Viewers       int
		RunningS      float64 `json:"running_s"`
	}
	if err := json.NewDecoder(body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Node != "page" || got.Stream != "cam" || got.Seq != 4 || got.Frames != 5 || got.Width != 64 || got.Height != 48 || !got.Session {
		t.Errorf("got %+v", got)
	}
	if got.FPS <= 0 || got.LatencyMS.P50 < 25 || got.LatencyMS.P95 < got.LatencyMS.P50 {
		t.Errorf("figures: got %+v", got)
	}
	if n := len(got.Frame.Annotations["people"]["detections"]); n != 3 {
		t.Errorf("got %d detections, want 3", n)
	}
	if len(got.Commands) != 1 || got.Commands[0].Command != "set_prompt" || got.Commands[0].Outcome != "sent" {
		t.Errorf("got commands %v", got.Commands)
	}
	if len(got.Effects) != 1 || got.Effects[0] != session.Effects()[0] {
		t.Errorf("got effects %v", got.Effects)
	}
}

func TestEventsTellNewCommandsOnce(t *testing.T) {
	_, session, url := open(t, preview.Default(), new(bytes.Buffer))
	session.Note(pipeline.CommandRecord{Command: "first"})
	_, body := get(t, url+"/events")
	for _, want := range []string{"first", "second", "third"} {
		if want != "first" {
			session.Note(pipeline.CommandRecord{Command: want})
		}
		var got []struct{ Command string }
		if err := json.Unmarshal(nextEvent(t, body, "commands"), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Command != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// nextEvent returns the data of the next event with that name.
func nextEvent(t *testing.T, body *bufio.Reader, name string) []byte {
	t.Helper()
	event := ""
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(line, "event: "); ok {
			event = strings.TrimSpace(rest)
		}
		if rest, ok := strings.CutPrefix(line, "data: "); ok && event == name {
			return []byte(rest)
		}
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	_, _, url := open(t, preview.Default(), new(bytes.Buffer))
	resp, body := get(t, url+"/")
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("got type %q", got)
	}
	page, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, outside := range regexp.MustCompile(`(?:src|href)=["']?https?:[^"']+`).FindAll(page, -1) {
		t.Errorf("the page loads %s", outside)
	}
	if resp, _ := get(t, url+"/nothing"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown page: got %s", resp.Status)
	}
}

// counted counts how often its pixels are asked for.
type counted struct {
	*pipetest.Picture
	asked *atomic.Int32
}

func (c counted) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	c.asked.Add(1)
	return c.Picture.ConvertTo(dst, stride, to)
}

func TestNobodyWatchesNothingIsEncoded(t *testing.T) {
	sink, _, _ := open(t, preview.Default(), new(bytes.Buffer))
	var asked atomic.Int32
	f := pipeline.NewFrame(pipeline.Meta{}, counted{pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: 64, Height: 48}), &asked})
	if err := errors.Join(sink.Write(t.Context(), f), f.Release()); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("pixels were converted %d times", n)
	}
}

// noise is a picture that no codec makes small.
type noise struct{ pipeline.Image }

func (noise) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	_, err := rand.NewChaCha8([32]byte{}).Read(unsafe.Slice((*byte)(dst), stride*to.Height))
	return err
}

// TestViewerThatDoesNotReadHoldsNobodyUp: a connection is borne with for five
// seconds unless it is cut. A machine may be too busy to show it at the first try.
func TestViewerThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	var took time.Duration
	for range 10 {
		if took = closing(t); took < 3*time.Second {
			return
		}
	}
	t.Errorf("the close took %s", took)
}

// closing is how long the close takes while somebody watches who does not read.
func closing(t *testing.T) time.Duration {
	t.Helper()
	cfg := preview.Default()
	cfg.FPS, cfg.Quality, cfg.Width = 1000, 100, 0
	sink, _, url := open(t, cfg, new(bytes.Buffer))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /stream.mjpg HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil { // it watches
		t.Fatal(err)
	}
	for seq := range uint64(10) { // far more than sockets hold
		f := pipeline.NewFrame(pipeline.Meta{Seq: seq}, noise{pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: 1280, Height: 720})})
		if err := errors.Join(sink.Write(t.Context(), f), f.Release()); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	if err := sink.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return time.Since(begun)
}

func TestTooManyViewers(t *testing.T) {
	_, _, url := open(t, preview.Default(), new(bytes.Buffer))
	for range 128 {
		if resp, _ := get(t, url+"/events"); resp.StatusCode != http.StatusOK {
			t.Fatalf("got %s", resp.Status)
		}
	}
	if resp, _ := get(t, url+"/"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: got %s", resp.Status)
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := preview.Default()
	cfg.Addr = taken.Addr().String()
	_, err = preview.New(pipeline.Env{Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}}, cfg)
	want := "addr: another program listens on " + cfg.Addr + ": name another port, or leave addr out for one that is free"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// Several pipelines that say nothing of a port have a page each.
func TestPortsOfSeveral(t *testing.T) {
	pages := make(map[string]bool)
	for range 2 {
		var log bytes.Buffer
		s, err := preview.New(pipeline.Env{Log: slog.New(slog.NewTextHandler(&log, nil)), Clock: pipeline.SystemClock{}}, preview.Default())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, at, _ := strings.Cut(log.String(), " url=")
		url, _, _ := strings.Cut(at, " ")
		if resp, _ := get(t, url); resp.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", url, resp.Status)
		}
		pages[url] = true
	}
	if len(pages) != 2 {
		t.Errorf("got %v, want a page each", pages)
	}
}

func TestSaysHowToReachIt(t *testing.T) {
	var log bytes.Buffer
	_, _, url := open(t, preview.Default(), &log)
	addr := strings.TrimPrefix(url, "http://")
	_, port, _ := net.SplitHostPort(addr)
	if want := "ssh -L " + port + ":" + addr; !strings.Contains(log.String(), want) {
		t.Errorf("got %s, want it to contain %q", &log, want)
	}
}

// BenchmarkWatched is what a frame costs while somebody watches: 720p scaled
// down to the default width, as JPEG.
func BenchmarkWatched(b *testing.B) {
	benchmark(b, func(url string) {
		resp, err := http.Get(url + "/stream.mjpg")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = resp.Body.Close() })
		go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
	})
}

// BenchmarkUnwatched is what a frame costs while nobody does.
func BenchmarkUnwatched(b *testing.B) { benchmark(b, func(string) {}) }

func benchmark(b *testing.B, watch func(url string)) {
	var log bytes.Buffer
	cfg := preview.Default()
	cfg.Addr, cfg.FPS = "127.0.0.1:0", 1e6
	sink, err := preview.New(pipeline.Env{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{},
	}, cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	watch(regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(log.String())[1])
	b.ReportAllocs()
	for b.Loop() {
		f := pipeline.NewFrame(pipeline.Meta{Arrival: time.Now()}, gray{})
		if err := errors.Join(sink.Write(b.Context(), f), f.Release()); err != nil {
			b.Fatal(err)
		}
	}
}

// gray is a 720p picture that costs nothing to convert.
type gray struct{}

func (gray) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.I420, Width: 1280, Height: 720}
}
func (gray) Clone() (pipeline.Image, error)                       { return gray{}, nil }
func (gray) Close() error                                         { return nil }
func (gray) ConvertTo(unsafe.Pointer, int, pipeline.Format) error { return nil }
