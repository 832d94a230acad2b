package sdk_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// patience bounds everything that is waited for; only a failure takes so long.
const patience = 2 * time.Minute

// lamp is a model with an output, an input and commands of every outcome.
func lamp() sessiontest.Model {
	return sessiontest.Model{
		Name: "lamp",
		Tracks: []sessiontest.Track{
			{Name: "main_video", Loop: sessiontest.TestClips()},
			{Name: "source", Direction: sessiontest.SendOnly},
		},
		Commands: []sessiontest.Command{
			{
				Name: "set_brightness", Reply: "brightness_set",
				Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2)}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					return &sessiontest.Message{Type: "brightness_set", Data: c.Args}, nil
				},
			},
			{Name: "reset"},
			{Name: "start", Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				c.Server.Broadcast("command_error", map[string]any{"command": "start", "reason": "no prompt"})
				return nil, nil
			}},
			{Name: "fail", Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
				return nil, &sessiontest.CommandError{Code: "quota", Message: "used up"}
			}},
			{
				Name: "set_image", Args: []sessiontest.Arg{{Name: "image", Type: sessiontest.File()}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					u := c.Args["image"].(*sessiontest.Upload)
					return &sessiontest.Message{Type: "image_set", Data: map[string]any{"name": u.Name, "type": u.MIMEType, "data": string(u.Data)}}, nil
				},
			},
		},
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, srv *sessiontest.Server, cfg sdk.Config) *sdk.Session {
	t.Helper()
	if cfg.Model == "" && cfg.SessionID == "" {
		cfg.Local = true
	}
	cfg.BaseURL = srv.URL()
	// Not debug: pion still logs when the test is over.
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	s, err := sdk.Connect(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func track(t *testing.T, s *sdk.Session, name string) *sdk.Track {
	t.Helper()
	tr, err := s.Track(name)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func read(t *testing.T, tr *sdk.Track) sdk.Packet {
	t.Helper()
	p, err := tr.ReadRTP(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pulled lets a test take the items of a sequence one by one.
func pulled[T any](t *testing.T, seq iter.Seq[T]) (next func() (T, bool)) {
	t.Helper()
	next, stop := iter.Pull(seq)
	t.Cleanup(stop)
	return next
}

// await returns the next item that is as wanted.
func await[T any](t *testing.T, next func() (T, bool), wanted func(T) bool) T {
	t.Helper()
	for {
		item, ok := next()
		if !ok {
			t.Fatal("the sequence ended without what was awaited")
		}
		if wanted(item) {
			return item
		}
	}
}

func ofType(typ sdk.EventType) func(sdk.Event) bool {
	return func(e sdk.Event) bool { return e.Type == typ }
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSession(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})

	t.Run("is ready", func(t *testing.T) {
		want := []sdk.TrackInfo{
			{Name: "source", Kind: sdk.Video, Direction: sdk.SendOnly},
			{Name: "main_video", Kind: sdk.Video, Direction: sdk.ReceiveOnly},
		}
		if diff := cmp.Diff(want, s.Capabilities().Tracks); diff != "" {
			t.Errorf("tracks (-want +got):\n%s", diff)
		}
		if s.Status() != sdk.StatusReady || s.ID() == "" || s.ConnectionID() == 0 || s.Err() != nil {
			t.Errorf("status %s, id %q, connection %d, err %v", s.Status(), s.ID(), s.ConnectionID(), s.Err())
		}
	})

	t.Run("receives", func(t *testing.T) {
		p := read(t, track(t, s, "main_video"))
		if p.Codec != "vp8" || p.Epoch != 1 || time.Since(p.Arrival) > patience || len(p.Payload) == 0 {
			t.Errorf("got %s, epoch %d, arrival %v, %d bytes", p.Codec, p.Epoch, p.Arrival, len(p.Payload))
		}
	})

	t.Run("keyframe", func(t *testing.T) {
		tr := track(t, s, "main_video")
		if err := tr.RequestKeyframe(); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("sender time", func(t *testing.T) {
		tr := track(t, s, "main_video")
		var at time.Time
		eventually(t, "a sender report", func() bool {
			p := read(t, tr)
			var ok bool
			at, ok = tr.SenderTime(p.Timestamp)
			return ok
		})
		if off := time.Since(at); off < -time.Second || off > patience {
			t.Errorf("off by %v on the same machine", off)
		}
	})

	t.Run("round trip", func(t *testing.T) {
		eventually(t, "a round-trip time", func() bool { return track(t, s, "main_video").RTT() > 0 })
	})

	t.Run("schema", func(t *testing.T) {
		doc, err := s.Schema(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(doc), `"/events/set_brightness"`) {
			t.Errorf("got %s", doc)
		}
	})

	t.Run("unknown track", func(t *testing.T) {
		_, err := s.Track("main_vido")
		const want = `track: [NOT_FOUND] unknown track "main_vido"; the model has "source", "main_video"`
		if message(err) != want || !errors.Is(err, sdk.ErrNotFound) {
			t.Errorf("got %v, want %s", err, want)
		}
	})

	t.Run("direction", func(t *testing.T) {
		if _, err := track(t, s, "source").ReadRTP(within(t)); message(err) != "read_rtp: [INVALID_STATE] track source is not received" {
			t.Errorf("got %v", err)
		}
		if _, err := track(t, s, "main_video").Publish(within(t), sdk.PublishConfig{}); message(err) != "publish_track: [INVALID_STATE] track main_video is not an input of the model" {
			t.Errorf("got %v", err)
		}
	})
}

// TestCommandOfWhoHasGivenUp: it is not sent.
func TestCommandOfWhoHasGivenUp(t *testing.T) {
	var obeyed atomic.Int32
	m := lamp()
	m.Commands = append(m.Commands, sessiontest.Command{Name: "count", Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
		obeyed.Add(1)
		return nil, nil
	}})
	s := connect(t, sessiontest.New(t, m), sdk.Config{})
	if _, err := s.Command(over(), "count", nil); message(err) != "command count: [ABORTED] canceled" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Command(within(t), "count", nil); err != nil || obeyed.Load() != 1 {
		t.Errorf("obeyed %d times, %v", obeyed.Load(), err)
	}
}

func TestCommand(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	tests := []struct {
		name, command string
		args          map[string]any
		reply         sdk.Reply
		err           string
	}{
		{"answered", "set_brightness", map[string]any{"brightness": 1.5}, sdk.Reply{Type: "brightness_set", Data: map[string]any{"brightness": 1.5}}, ""},
		{"acknowledged", "reset", nil, sdk.Reply{}, ""},
		{"unknown", "bogus", nil, sdk.Reply{}, "command bogus: [invalid_command] unknown command"},
		{"constraint", "set_brightness", map[string]any{"brightness": 5}, sdk.Reply{}, "command set_brightness: [invalid_command] brightness: 5.0 > le(2.0)"},
		{"refused by the handler", "fail", nil, sdk.Reply{}, "command fail: [quota] used up"},
		{"refused by broadcast", "start", nil, sdk.Reply{}, "command start: [command_error] no prompt"},
		{"not JSON", "reset", map[string]any{"f": func() {}}, sdk.Reply{}, "command reset: [DECODE_FAILED] arguments: f: json: unsupported type: func()"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := s.Command(within(t), tt.command, tt.args)
			if (err == nil) == reply.At.IsZero() {
				t.Errorf("arrival: %v", reply.At)
			}
			reply.At = time.Time{}
			if diff := cmp.Diff(tt.reply, reply); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			if message(err) != tt.err {
				t.Errorf("got %v, want %s", err, tt.err)
			}
			if refused := tt.err != "" && tt.name != "not JSON"; errors.Is(err, sdk.ErrRefused) != refused {
				t.Errorf("%v: refused is %v", err, !refused)
			}
		})
	}
}

func TestPost(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	type outcome struct {
		reply sdk.Reply
		err   error
	}
	got := make(chan outcome)
	s.Post("reset", nil, nil)
	s.Post("set_brightness", map[string]any{"brightness": 1}, func(r sdk.Reply, err error) { got <- outcome{r, err} })
	if o := <-got; o.err != nil || o.reply.Type != "brightness_set" {
		t.Errorf("got %+v", o)
	}
	s.Post("bogus", nil, func(r sdk.Reply, err error) { got <- outcome{r, err} })
	if o := <-got; !errors.Is(o.err, sdk.ErrRefused) {
		t.Errorf("got %+v", o)
	}
}

func TestMessages(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	if _, err := s.Command(within(t), "reset", nil); err != nil { // the server knows us now
		t.Fatal(err)
	}
	seq := s.Messages(within(t))
	srv.Broadcast("state", map[string]any{"n": 1})
	if _, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": 0.5}); err != nil {
		t.Fatal(err)
	}
	var got []sdk.Message
	for m := range seq {
		if m.At.IsZero() {
			t.Errorf("%s has no time", m.Type)
		}
		m.At = time.Time{}
		if got = append(got, m); len(got) == 2 {
			break
		}
	}
	want := []sdk.Message{
		{Type: "state", Data: map[string]any{"n": 1.0}},
		{Type: "brightness_set", Data: map[string]any{"brightness": 0.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTiedRefusals: a command_error is known to be a command's own, or nobody's.
func TestTiedRefusals(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	seq := s.Messages(within(t))
	if _, err := s.Command(within(t), "start", nil); !errors.Is(err, sdk.ErrRefused) { // it says so to everybody
		t.Errorf("got %v", err)
	}
	srv.Broadcast("command_error", map[string]any{"command": "start", "reason": "no prompt"})
	var got []bool
	for m := range seq {
		if got = append(got, m.Tied); len(got) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]bool{true, false}, got); diff != "" {
		t.Errorf("tied (-want +got):\n%s", diff)
	}
}

func TestUpload(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	ref, err := s.Upload(within(t), strings.NewReader("picture"), sdk.UploadInfo{Name: "a.png"})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := s.Command(within(t), "set_image", map[string]any{"image": ref})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": "a.png", "type": "image/png", "data": "picture"}
	if diff := cmp.Diff(want, reply.Data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := s.Upload(within(t), strings.NewReader(""), sdk.UploadInfo{}); message(err) != "upload: [INVALID_STATE] the file is empty" {
		t.Errorf("got %v", err)
	}
	srv.Fail(sessiontest.RouteReserve, sessiontest.Fault{Status: 500, Body: "sorry", Times: 1})
	if _, err := s.Upload(within(t), strings.NewReader("x"), sdk.UploadInfo{}); message(err) != "upload: [SERVER_ERROR] unexpected HTTP status 500 from create upload: sorry" {
		t.Errorf("got %v", err)
	}
}

func TestCodecs(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			m := lamp()
			m.Tracks = m.Tracks[:1]
			srv := sessiontest.New(t, m)
			s := connect(t, srv, sdk.Config{Codecs: []string{codec}})
			if p := read(t, track(t, s, "main_video")); p.Codec != codec {
				t.Errorf("got %s", p.Codec)
			}
		})
	}
}

// lockedLog is written to by a server and read by a test.
type lockedLog struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestNoCommonCodec(t *testing.T) {
	m := lamp()
	m.Tracks = []sessiontest.Track{{Name: "main_video", Codecs: []string{"h264"}}}
	var log lockedLog
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := sdk.Connect(within(t), sdk.Config{Local: true, BaseURL: srv.URL(), Codecs: []string{"vp8"}})
	const want = "connect: [NO_COMMON_CODEC] the server rejected track main_video: it knows none of the codecs offered (vp8)"
	if message(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if said := log.String(); !strings.Contains(said, `msg="no common codec, so nothing is sent"`) || !strings.Contains(said, "track=main_video codecs=[h264]") {
		t.Errorf("the server says\n%s", said)
	}
	eventually(t, "the session is ended", func() bool { return srv.Sessions() == 0 })
}

func TestPauseAndResume(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{NoAutoResume: true})
	tr, out := track(t, s, "main_video"), srv.Output("main_video")
	if !tr.Paused() || len(out.Demand()) != 0 {
		t.Errorf("paused %v, watched: %v", tr.Paused(), out.Demand())
	}
	for range 2 {
		if err := tr.Resume(within(t)); err != nil {
			t.Fatal(err)
		}
		read(t, tr)
		if err := tr.Pause(within(t)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "nobody watches", func() bool { return len(out.Demand()) == 0 })
	}
}

func TestPlainChannels(t *testing.T) {
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: lamp(), PlainChannels: true, NoFrameMetadata: true})
	s := connect(t, srv, sdk.Config{})
	if _, err := s.Command(within(t), "reset", nil); err != nil {
		t.Error(err)
	}
	_, err := s.Command(within(t), "reset", map[string]any{"x": strings.Repeat("x", wire.MaxPlainMessage)})
	if !errors.Is(err, sdk.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestLargeMessages(t *testing.T) {
	m := lamp()
	m.Commands = append(m.Commands, sessiontest.Command{
		Name: "echo", Open: true,
		Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
			return &sessiontest.Message{Type: "echo", Data: c.Args}, nil
		},
	})
	s := connect(t, sessiontest.New(t, m), sdk.Config{})
	text := strings.Repeat("0123456789", 100_000)
	reply, err := s.Command(within(t), "echo", map[string]any{"text": text})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Data["text"] != text {
		t.Error("a megabyte did not come back as it went")
	}
}

// TestLoss loses a tenth of the packets: nearly all are repaired in time.
func TestLoss(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	srv.SetNetwork(sessiontest.Network{Drop: 0.1, Seed: 1})
	s := connect(t, srv, sdk.Config{Codecs: []string{"vp8"}})
	tr := track(t, s, "main_video")
	seen := map[uint16]bool{}
	first := read(t, tr).SequenceNumber
	last := first
	for range 200 {
		p := read(t, tr)
		seen[p.SequenceNumber] = true
		if int16(p.SequenceNumber-last) > 0 {
			last = p.SequenceNumber
		}
	}
	missing := 0
	for n := first + 1; n != last-10; n++ { // the last ones may still come
		if !seen[n] {
			missing++
		}
	}
	if missing > 4 {
		t.Errorf("%d of %d packets missing", missing, last-first)
	}
}

// TestTroubleOnRealSockets: what TestNetworkTrouble and TestChannelTrouble do in
// virtual time, in short. The picture is whole in the end, no packet comes twice,
// and every command is answered.
func TestTroubleOnRealSockets(t *testing.T) {
	t.Parallel()
	const looked, most = 60, 600 // packets
	srv := sessiontest.New(t, lamp())
	srv.SetNetwork(sessiontest.Network{Reorder: 0.2, Duplicate: 0.3, Delay: 20 * time.Millisecond, Jitter: 50 * time.Millisecond, Seed: 1})
	s := connect(t, srv, sdk.Config{})
	events := pulled(t, s.Events(within(t)))
	tr := track(t, s, "main_video")
	seen := map[uint16]bool{}
	first := read(t, tr).SequenceNumber
	whole := func() bool {
		for n := range uint16(looked) {
			if !seen[first+1+n] {
				return false
			}
		}
		return true
	}
	late := false
	var last uint16
	for n := 0; n < most && !whole(); n++ {
		p := read(t, tr)
		if seen[p.SequenceNumber] {
			t.Errorf("packet %d came twice", p.SequenceNumber)
		}
		late = late || n > 0 && int16(p.SequenceNumber-last) < 0
		last, seen[p.SequenceNumber] = p.SequenceNumber, true
	}
	if !whole() {
		t.Errorf("of %d packets only %d came", looked, len(seen))
	}
	if !late {
		t.Error("no packet came out of order: there was no trouble")
	}
	for _, f := range []sessiontest.MessageFault{{Twice: true}, {Delay: 100 * time.Millisecond}} {
		f.Of, f.Times = "ack", 1
		srv.Garble(wire.DataChannel, f)
		if _, err := s.Command(within(t), "reset", nil); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	// Two answers that change places.
	srv.Garble(wire.DataChannel, sessiontest.MessageFault{Of: "ack", Swap: true, Times: 1})
	answered := make(chan error, 2)
	for range 2 {
		s.Post("reset", nil, func(_ sdk.Reply, err error) { answered <- err })
	}
	for range 2 {
		if err := <-answered; err != nil {
			t.Errorf("answers that changed places: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for e, more := events(); more; e, more = events() {
		if e.Type == sdk.EventLost {
			t.Errorf("lost: %v", e.Err)
		}
	}
}

func TestCloud(t *testing.T) {
	const key = "rk_secret"
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: lamp(), APIKey: key, Provisioning: 300 * time.Millisecond})
	s := connect(t, srv, sdk.Config{Model: "lamp", APIKey: key})
	read(t, track(t, s, "main_video"))

	guest := connect(t, srv, sdk.Config{SessionID: s.ID(), APIKey: key})
	if guest.ID() != s.ID() || guest.ConnectionID() == s.ConnectionID() {
		t.Errorf("session %s, connection %d; host %s, %d", guest.ID(), guest.ConnectionID(), s.ID(), s.ConnectionID())
	}
	read(t, track(t, guest, "main_video"))
	if err := guest.Close(); err != nil {
		t.Error(err)
	}
	if n := srv.Sessions(); n != 1 {
		t.Errorf("%d sessions after a guest left", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := srv.Sessions(); n != 0 {
		t.Errorf("%d sessions after the host closed", n)
	}

	_, err := sdk.Connect(within(t), sdk.Config{Model: "lamp", APIKey: "rk_wrong", BaseURL: srv.URL()})
	if !errors.Is(err, sdk.ErrUnauthorized) || strings.Contains(err.Error(), "rk_wrong") {
		t.Errorf("got %v", err)
	}
}

func TestClose(t *testing.T) {
	tests := []struct {
		name  string
		close func(*sdk.Session) error
		left  int
	}{
		{"close", (*sdk.Session).Close, 0},
		{"end", func(s *sdk.Session) error { return s.End(over()) }, 0},
		{"leave, then close", func(s *sdk.Session) error { return errors.Join(s.Leave(over()), s.Close()) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := sessiontest.New(t, lamp())
			s := connect(t, srv, sdk.Config{})
			events := pulled(t, s.Events(within(t)))
			tr := track(t, s, "main_video")
			if err := tt.close(s); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("again: %v", err)
			}
			if n := srv.Sessions(); n != tt.left {
				t.Errorf("%d sessions left, want %d", n, tt.left)
			}
			eventually(t, "the server sees it", func() bool { return srv.Connections() == 0 })
			<-s.Done()
			if !errors.Is(s.Err(), sdk.ErrClosed) || s.Status() != sdk.StatusDisconnected {
				t.Errorf("%v, %s", s.Err(), s.Status())
			}
			if e := await(t, events, ofType(sdk.EventOver)); !errors.Is(e.Err, sdk.ErrClosed) {
				t.Errorf("event: %v", e.Err)
			}
			if _, err := s.Command(within(t), "reset", nil); !errors.Is(err, sdk.ErrClosed) {
				t.Errorf("command: %v", err)
			}
			for {
				if _, err := tr.ReadRTP(within(t)); err != nil {
					if !errors.Is(err, sdk.ErrClosed) {
						t.Errorf("read: %v", err)
					}
					return
				}
			}
		})
	}
}

// over is a context that is over.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestCloseWhenTheServerIsGone(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	srv.Fail(sessiontest.RouteStop, sessiontest.Fault{Status: 500, Body: "sorry"})
	if err := s.Close(); message(err) != "end: [SERVER_ERROR] unexpected HTTP status 500 from end session: sorry" {
		t.Errorf("got %v", err)
	}
	<-s.Done()
}

func TestServerEndsTheSession(t *testing.T) {
	tests := []struct {
		name string
		end  func(*sessiontest.Server)
		want string
		told sdk.EventType
	}{
		{"with a reason", func(srv *sessiontest.Server) { srv.EndSessions("time is up") }, "[SESSION_TERMINAL] the server ended the session: time is up", sdk.EventSessionEnded},
		{"without", func(srv *sessiontest.Server) { srv.EndSessions("") }, "[SESSION_TERMINAL] the server ended the session", sdk.EventLost},
		{"moderated", func(srv *sessiontest.Server) { srv.Moderate() }, "[SESSION_TERMINAL] the server ended the session: Session terminated due to policy violation.", sdk.EventModeration},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := sessiontest.New(t, lamp())
			s := connect(t, srv, sdk.Config{})
			if _, err := s.Command(within(t), "reset", nil); err != nil { // the server knows us now
				t.Fatal(err)
			}
			events := s.Events(within(t))
			begun := time.Now()
			tt.end(srv)
			select {
			case <-s.Done():
			case <-time.After(patience):
				t.Fatal("not noticed")
			}
			t.Logf("noticed after %v", time.Since(begun))
			if message(s.Err()) != tt.want || !errors.Is(s.Err(), sdk.ErrSessionEnded) {
				t.Errorf("got %v, want %s", s.Err(), tt.want)
			}
			var types []sdk.EventType
			for e := range events {
				types = append(types, e.Type)
			}
			if !slices.Contains(types, tt.told) || types[len(types)-1] != sdk.EventOver {
				t.Errorf("events: %v", types)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
