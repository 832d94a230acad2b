package nats_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/nats"
)

// serve is the variable that makes the test binary a NATS server, until its
// standard input ends or it is killed.
const serve = "NATS_SERVER_OPTIONS"

// options are those of such a server.
type options struct {
	Port  int
	Store string // "" is one without JetStream
	Token string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(serve); text != "" {
		serveUntilKilled(text)
		return
	}
	goleak.VerifyTestMain(m)
}

func serveUntilKilled(text string) {
	var o options
	err := json.Unmarshal([]byte(text), &o)
	exitOn(err)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: o.Port, JetStream: o.Store != "", StoreDir: o.Store,
		Authorization: o.Token, NoSigs: true, NoLog: true, MaxPayload: 64 << 10,
	})
	exitOn(err)
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		exitOn(errors.New("the server does not get ready"))
	}
	_, err = fmt.Println(s.Addr().(*net.TCPAddr).Port)
	exitOn(err)
	_, err = io.Copy(io.Discard, os.Stdin)
	exitOn(err)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// broker is a real server in a process of its own.
type broker struct {
	t    *testing.T
	o    options
	cmd  *exec.Cmd
	quit io.Closer
}

func startBroker(t *testing.T, o options) *broker {
	t.Helper()
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	b := &broker{t: t, o: o}
	b.start()
	t.Cleanup(func() {
		b.quit.Close()
		_ = b.cmd.Wait()
	})
	return b
}

// start starts the server, at the same port if it ran already.
func (b *broker) start() {
	b.t.Helper()
	text, err := json.Marshal(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.cmd = exec.Command(os.Args[0])
	b.cmd.Env = append(os.Environ(), serve+"="+string(text))
	b.cmd.Stderr = os.Stderr
	if b.quit, err = b.cmd.StdinPipe(); err != nil {
		b.t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &b.o.Port); err != nil {
		b.t.Fatal(err)
	}
}

// kill ends it with SIGKILL.
func (b *broker) kill() {
	b.t.Helper()
	if err := b.cmd.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	_ = b.cmd.Wait()
}

func (b *broker) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.o.Port) }

func (b *broker) connect() *client.Conn {
	b.t.Helper()
	conn, err := client.Connect(b.url(), client.Token(b.o.Token), client.MaxReconnects(-1), client.ReconnectWait(10*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(conn.Close)
	return conn
}

// stream makes a stream of "events.>".
func (b *broker) stream() jetstream.Stream {
	b.t.Helper()
	js, err := jetstream.New(b.connect())
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := js.CreateOrUpdateStream(b.t.Context(), jetstream.StreamConfig{
		Name: "EVENTS", Subjects: []string{"events.>"}, Storage: jetstream.FileStorage,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// stored returns which frames a stream holds, in order.
func stored(t *testing.T, b *broker) (got []uint64) {
	t.Helper()
	s := b.stream()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= info.State.LastSeq; n++ {
		m, err := s.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, seq(t, m.Data))
	}
	return got
}

func seq(t *testing.T, body []byte) uint64 {
	t.Helper()
	var f struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
	}
	if err := json.Unmarshal(body, &f); err != nil || f.Stream != "cam" {
		t.Fatalf("%s: %v", body, err)
	}
	return f.Seq
}

// rig is a sink and what it says.
type rig struct {
	t      *testing.T
	cfg    nats.Config
	sink   pipeline.Sink
	log    pipetest.Log
	counts pipetest.Counters
}

// await waits until a counter has come to n.
func (r *rig) await(name string, n float64) {
	r.t.Helper()
	if err := r.counts.Await(r.t.Context(), name, n); err != nil {
		r.t.Fatal(err)
	}
}

// quick is a clock whose waits are over at once, but for those of an outbox at
// rest.
type quick struct{ pipeline.SystemClock }

func (quick) After(d time.Duration) <-chan time.Time {
	if d > 2*time.Second {
		return time.After(d)
	}
	return time.After(10 * time.Millisecond)
}

func newRig(t *testing.T, url string, change func(*nats.Config)) *rig {
	t.Helper()
	r := &rig{t: t, cfg: nats.Default()}
	r.cfg.URL, r.cfg.Buffer.Path, r.cfg.Subject = url, t.TempDir(), template(t, "events.cam")
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

func template(t *testing.T, text string) expr.Template {
	t.Helper()
	s, err := expr.ParseTemplate(text)
	if err == nil {
		err = s.Check(&expr.Scope{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) open() {
	r.t.Helper()
	sink, err := nats.New(pipeline.Env{
		Name: "broker", Log: slog.New(slog.NewTextHandler(&r.log, nil)), Clock: quick{}, Metrics: &r.counts,
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

// write writes frames from..to-1.
func (r *rig) write(from, to uint64) {
	r.t.Helper()
	for ; from < to; from++ {
		if err := r.one(pipeline.Meta{Stream: "cam", Seq: from}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) one(meta pipeline.Meta) error {
	return r.sink.Write(r.t.Context(), pipeline.NewFrame(meta, nil))
}

func count(from, to uint64) (all []uint64) {
	for ; from < to; from++ {
		all = append(all, from)
	}
	return all
}

func TestSink(t *testing.T) {
	b := startBroker(t, options{})
	pipetest.Sink(t, pipetest.Case{
		Register: nats.Register, Kind: "nats",
		Config: "{url: '" + b.url() + "', subject: events, buffer: {path: " + filepath.Join(t.TempDir(), "buffer") + "}}",
	})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*nats.Config)
		want   string
	}{
		{"good", func(*nats.Config) {}, ""},
		{"several", func(c *nats.Config) { c.URL = "nats://a:4222, tls://user:pass@b:4222" }, ""},
		{"url", func(c *nats.Config) { c.URL = "nats://user:secret@a,http://b" }, "url: must be like nats://127.0.0.1:4222"},
		{"no subject", func(c *nats.Config) { c.Subject = expr.Template{} }, "subject: is required"},
		{"wildcard", func(c *nats.Config) { c.Subject = expr.Literal("events.*") }, `subject: must be words with dots between, without spaces, * and >, got "events.*"`},
		{"empty word", func(c *nats.Config) { c.Subject = expr.Literal("events.") }, `subject: must be words with dots between, without spaces, * and >, got "events."`},
		{"jetstream", func(c *nats.Config) { c.JetStream = "on" }, `jetstream: must be auto, require or off, got "on"`},
		{"timeout", func(c *nats.Config) { c.Timeout = 0 }, "timeout: must be positive, got 0s"},
		{"both", func(c *nats.Config) { c.Token, c.Credentials = "t", "c" }, "token: is not for a server that takes credentials"},
		{"buffer", func(c *nats.Config) { c.Buffer.Size = 1 }, "buffer.size: must be 1MiB at least, got 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := nats.Default()
			cfg.Subject = expr.Literal("events")
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

// A server that is killed in the middle and started again loses nothing that
// its stream has confirmed, and gets the rest, in order.
func TestStoresOverAKill(t *testing.T) {
	b := startBroker(t, options{Store: t.TempDir()})
	b.stream()
	r := newRig(t, b.url(), nil)
	r.write(0, 100)
	r.await("delivered_total", 50)
	b.kill()
	r.write(100, 200)
	r.await("retries_total", 1)
	b.start()
	r.write(200, 300)
	r.await("delivered_total", 300)
	if diff := cmp.Diff(stored(t, b), count(0, 300)); diff != "" {
		t.Error(diff)
	}
}

// What waits while the server is away is published by the next run.
func TestStoresOverARestartOfOurs(t *testing.T) {
	b := startBroker(t, options{Store: t.TempDir()})
	b.stream()
	b.kill()
	r := newRig(t, b.url(), nil)
	r.write(0, 50)
	r.close()
	b.start()
	r.open()
	r.write(50, 60)
	r.await("delivered_total", 60)
	if diff := cmp.Diff(stored(t, b), count(0, 60)); diff != "" {
		t.Error(diff)
	}
}

// A message that is sent twice is stored once.
func TestIDs(t *testing.T) {
	b := startBroker(t, options{Store: t.TempDir()})
	s := b.stream()
	r := newRig(t, b.url(), nil)
	r.write(7, 8)
	r.await("delivered_total", 1)
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	again := client.NewMsg("events.cam")
	again.Header, again.Data = m.Header, m.Data
	js, err := jetstream.New(b.connect())
	if err != nil {
		t.Fatal(err)
	}
	ack, err := js.PublishMsg(t.Context(), again)
	if err != nil || !ack.Duplicate {
		t.Errorf("got %+v, %v", ack, err)
	}
}

// A broker that accepts and forgets is named as that: what nobody listens to is
// gone, and what somebody listens to is there.
func TestNoStream(t *testing.T) {
	for name, store := range map[string]string{"no JetStream": "", "no stream of the subject": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t, options{Store: store})
			conn := b.connect()
			got := make(chan *client.Msg, 100)
			if _, err := conn.ChanSubscribe("events.>", got); err != nil {
				t.Fatal(err)
			}
			if err := conn.Flush(); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, b.url(), nil)
			r.write(0, 20)
			for want := range uint64(20) {
				if got := seq(t, (<-got).Data); got != want {
					t.Errorf("got %d, want %d", got, want)
				}
			}
			r.await("delivered_total", 20)
			if n := strings.Count(r.log.String(), "no stream takes this subject: who does not listen misses it"); n != 1 {
				t.Errorf("said %d times:\n%s", n, r.log.String())
			}
		})
	}
}

// With require, messages wait until there is a stream.
func TestRequiresAStream(t *testing.T) {
	b := startBroker(t, options{Store: t.TempDir()})
	r := newRig(t, b.url(), func(c *nats.Config) { c.JetStream = nats.Require })
	r.write(0, 5)
	r.await("retries_total", 2)
	if !strings.Contains(r.log.String(), "no stream takes events.cam") {
		t.Errorf("got %s", r.log.String())
	}
	b.stream()
	r.await("delivered_total", 5)
	if diff := cmp.Diff(stored(t, b), count(0, 5)); diff != "" {
		t.Error(diff)
	}
}

// A stream that is gone makes messages wait: they were not meant to be fleeting.
func TestStreamGone(t *testing.T) {
	b := startBroker(t, options{Store: t.TempDir()})
	b.stream()
	r := newRig(t, b.url(), nil)
	r.write(0, 1)
	r.await("delivered_total", 1)
	js, err := jetstream.New(b.connect())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "EVENTS"); err != nil {
		t.Fatal(err)
	}
	r.write(1, 3)
	r.await("retries_total", 1)
	b.stream()
	r.await("delivered_total", 3)
	if diff := cmp.Diff(stored(t, b), count(1, 3)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(r.log.String(), "no stream takes events.cam any more") {
		t.Errorf("got %s", r.log.String())
	}
}

// A broker that takes everything and confirms nothing makes messages wait.
func TestNeverConfirmed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { deaf(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	r := newRig(t, "nats://"+l.Addr().String(), func(c *nats.Config) {
		c.JetStream, c.Timeout = nats.Off, config.Duration(50*time.Millisecond)
	})
	r.write(0, 1)
	r.await("retries_total", 1)
	r.close()
	if got := r.counts.Get("delivered_total"); got != 0 {
		t.Errorf("%g are counted as delivered", got)
	}
	if got := r.log.String(); !strings.Contains(got, "messages wait for the next run") {
		t.Errorf("got %s", got)
	}
}

// deaf speaks the protocol up to the first PONG and then reads on.
func deaf(conn net.Conn) {
	defer conn.Close()
	_, _ = io.WriteString(conn, `INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}`+"\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == "PING" {
			_, _ = io.WriteString(conn, "PONG\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

func TestSubjects(t *testing.T) {
	b := startBroker(t, options{})
	conn := b.connect()
	got := make(chan *client.Msg, 100)
	if _, err := conn.ChanSubscribe("cam.>", got); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, b.url(), func(c *nats.Config) { c.Subject = template(t, "cam.{{ frame.user_data.zone }}") })
	for _, tt := range []struct{ data, subject, err string }{
		{`{"zone":"north"}`, "cam.north", ""},
		{`{}`, "", ""}, // absent
		{`{"zone":"a b"}`, "", `subject: must be words with dots between, without spaces, * and >, got "cam.a b"`},
		{`{"zone":7}`, "cam.7", ""},
	} {
		err := r.one(pipeline.Meta{Stream: "cam", UserData: []byte(tt.data)})
		if text := fmt.Sprint(err); (err != nil || tt.err != "") && text != tt.err {
			t.Errorf("%s: got %v, want %q", tt.data, err, tt.err)
		}
		if tt.subject == "" {
			continue
		}
		if m := <-got; m.Subject != tt.subject {
			t.Errorf("got %s, want %s", m.Subject, tt.subject)
		}
	}
	if got := r.counts.Get("absent_total"); got != 1 {
		t.Errorf("%g are counted as absent", got)
	}
}

func TestTooLarge(t *testing.T) {
	b := startBroker(t, options{Store: t.TempDir()})
	b.stream()
	r := newRig(t, b.url(), nil)
	if err := r.one(pipeline.Meta{Stream: "cam", UserData: bytes.Repeat([]byte("x"), 64<<10)}); err != nil {
		t.Fatal(err)
	}
	r.write(1, 3)
	r.await("delivered_total", 2)
	if diff := cmp.Diff(stored(t, b), count(1, 3)); diff != "" || r.counts.Get("refused_total") != 1 {
		t.Error(diff, r.counts.All())
	}
}

func TestToken(t *testing.T) {
	b := startBroker(t, options{Token: "sesame"})
	wrong := newRig(t, b.url(), func(c *nats.Config) { c.Token = "open" })
	wrong.write(0, 1)
	for n := 1.0; !strings.Contains(strings.ToLower(wrong.log.String()), "authorization violation"); n++ {
		wrong.await("retries_total", n)
	}
	if got := wrong.log.String(); strings.Contains(got, "open ") || strings.Contains(got, `"open"`) {
		t.Errorf("got %s", got)
	}
	right := newRig(t, b.url(), func(c *nats.Config) { c.Token = "sesame" })
	right.write(0, 1)
	right.await("delivered_total", 1)
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := nats.Default()
	cfg.Buffer.Path = file + "/buffer"
	_, err := nats.New(pipeline.Env{Log: slog.New(slog.DiscardHandler), Clock: quick{}, Metrics: pipeline.NoMetrics{}}, cfg)
	want := "buffer.path: mkdir " + file + ": not a directory"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}
