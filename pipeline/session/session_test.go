package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds everything that is waited for; only a failure takes so long.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// lamp is a model with an output, an input and commands of every outcome.
func lamp() sessiontest.Model {
	return sessiontest.Model{
		Name: "owner/lamp",
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
			{Name: "hush", Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				c.Server.Broadcast("command_error", map[string]any{"command": "hush", "reason": "no prompt"})
				return nil, nil
			}},
			{Name: "fail", Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
				return nil, &sessiontest.CommandError{Code: "quota", Message: "used up"}
			}},
			{
				Name: "set_image", Reply: "image_set", Args: []sessiontest.Arg{{Name: "image", Type: sessiontest.File()}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					u := c.Args["image"].(*sessiontest.Upload)
					return &sessiontest.Message{Type: "image_set", Data: map[string]any{"name": u.Name, "data": string(u.Data)}}, nil
				},
			},
		},
	}
}

// local is a session with a local runtime.
func local(url string) config.Session {
	return config.Session{URL: url, Local: true, Wait: patience, OnExit: "end"}
}

func newSession(t *testing.T, spec config.Session) *session.Session {
	t.Helper()
	s := session.New(session.Config{Spec: spec, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}})
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func open(t *testing.T, spec config.Session) *session.Session {
	t.Helper()
	s := newSession(t, spec)
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestOpenTriesAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault sessiontest.Fault
	}{
		{"starting", sessiontest.Fault{Status: 503, Times: 2}},
		{"busy", sessiontest.Fault{Status: 409, Times: 2}},
		{"asked to wait", sessiontest.Fault{Status: 429, RetryAfter: "0.2", Times: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := sessiontest.New(t, lamp())
			srv.Fail(sessiontest.RouteStart, tt.fault)
			s := open(t, local(srv.URL()))
			if s.Status() != sdk.StatusReady || srv.Sessions() != 1 {
				t.Errorf("status %s, %d sessions", s.Status(), srv.Sessions())
			}
		})
	}
}

// tried says when a session was tried in vain.
type tried struct {
	slog.Handler
	once chan struct{}
}

func (h tried) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "session not open yet") {
		select {
		case h.once <- struct{}{}:
		default:
		}
	}
	return nil
}

func (h tried) Enabled(context.Context, slog.Level) bool { return true }

func TestOpenWaitsForAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // only to find a port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	h := tried{slog.DiscardHandler, make(chan struct{}, 1)}
	s := session.New(session.Config{Spec: local("http://" + addr), Log: slog.New(h), Clock: pipeline.SystemClock{}})
	opened := make(chan error, 1)
	ctx := within(t)
	go func() { opened <- s.Open(ctx) }()
	select {
	case <-h.once:
	case err := <-opened:
		t.Fatalf("opened without a server: %v", err)
	}
	sessiontest.NewConfig(t, sessiontest.Config{Addr: addr, Model: lamp()})
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestOpenGivesUp(t *testing.T) {
	t.Parallel()
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: lamp(), APIKey: "right"})
	broken := sessiontest.New(t, lamp())
	broken.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 503})
	busy := sessiontest.New(t, lamp())
	busy.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 409})
	cloud := func(model, key string) config.Session {
		return config.Session{URL: srv.URL(), Model: model, APIKey: key, Wait: patience}
	}
	impatient := func(url string) config.Session {
		s := local(url)
		s.Wait = 300 * time.Millisecond
		return s
	}
	tests := []struct {
		name string
		spec config.Session
		is   error
		isNo error
		want string
	}{
		{"down", impatient(broken.URL()), nil, pipeline.ErrInvalid, "no session with " + broken.URL() + " after "},
		{"busy", impatient(busy.URL()), sdk.ErrConflict, pipeline.ErrInvalid, "no session with " + busy.URL() + " after "},
		{"wrong key", cloud("owner/lamp", "wrong"), sdk.ErrUnauthorized, pipeline.ErrInvalid, "session with owner/lamp: "},
		{"unknown model", cloud("owner/lump", "right"), pipeline.ErrInvalid, sdk.ErrUnauthorized, `model "owner/lump": `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			err := newSession(t, tt.spec).Open(within(t))
			if !strings.HasPrefix(text(err), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || errors.Is(err, tt.isNo) {
				t.Errorf("got %v, want %s… as %v", err, tt.want, tt.is)
			}
			if waited := time.Since(begun); waited > patience/2 {
				t.Errorf("it took %v", waited)
			}
		})
	}
}

// Codecs that the server lacks are a mistake in the file.
func TestOpenWithoutACommonCodec(t *testing.T) {
	t.Parallel()
	m := sessiontest.Model{Name: "owner/mute", Tracks: []sessiontest.Track{{Name: "main_video"}}}
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, Codecs: []string{"vp9"}})
	s := session.New(session.Config{
		Spec: local(srv.URL()), Codecs: []string{"h264"}, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{},
	})
	err := s.Open(within(t))
	if !errors.Is(err, pipeline.ErrInvalid) || !errors.Is(err, sdk.ErrNoCodec) || !strings.HasPrefix(text(err), "session with "+srv.URL()+": ") {
		t.Errorf("got %v", err)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	srv.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 503})
	ctx, cancel := context.WithCancel(t.Context())
	h := tried{slog.DiscardHandler, make(chan struct{}, 1)}
	s := session.New(session.Config{Spec: local(srv.URL()), Log: slog.New(h), Clock: pipeline.SystemClock{}})
	go func() { <-h.once; cancel() }()
	if err := s.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// A session that is not open answers everything with ErrNotReady.
func TestNotOpen(t *testing.T) {
	s := newSession(t, local("http://127.0.0.1:1"))
	_, command := s.Command(t.Context(), "reset", nil)
	_, upload := s.Upload(t.Context(), pipeline.File{})
	_, schema := s.Schema(t.Context())
	_, publish := s.Publish(t.Context(), pipeline.Publish{})
	_, live := s.Live()
	for i, err := range []error{command, upload, schema, publish, live} {
		if !errors.Is(err, pipeline.ErrNotReady) {
			t.Errorf("call %d: got %v", i, err)
		}
	}
	for m := range s.Messages(t.Context()) {
		t.Errorf("got message %v", m)
	}
	if err := s.Check("anything", nil); err != nil {
		t.Errorf("check: %v", err)
	}
	if s.Status() != sdk.StatusDisconnected {
		t.Errorf("status %s", s.Status())
	}
	if records, _ := s.Commands(0); len(records) != 0 {
		t.Errorf("ledger: %v", records)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	tests := []struct {
		name, command string
		args          map[string]any
		want          string
	}{
		{"right", "set_brightness", map[string]any{"brightness": 1.5}, ""},
		{"computed", "set_brightness", map[string]any{"brightness": pipeline.Computed{}}, ""},
		{"a file", "set_image", map[string]any{"image": pipeline.FileRef{UploadID: "u"}}, ""},
		{"unknown", "set_brightnes", nil, `unknown command "set_brightnes"; the model has "fail", "hush", "reset", "set_brightness", "set_image"`},
		{"range", "set_brightness", map[string]any{"brightness": 3.0}, `command "set_brightness": brightness: 3 is above the maximum of 2`},
		{"type", "set_brightness", map[string]any{"brightness": "high"}, `command "set_brightness": brightness: expected number, got "high"`},
		{"missing", "set_brightness", nil, `command "set_brightness": brightness: missing required argument`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.Check(tt.command, tt.args)
			if text(err) != tt.want || err != nil && !errors.Is(err, pipeline.ErrInvalid) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	tests := []struct {
		command string
		args    map[string]any
		reply   string
		code    string // of the refusal
		reason  string
		outcome pipeline.Outcome
	}{
		{"reset", nil, "", "", "", pipeline.CommandSent},
		{"set_brightness", map[string]any{"brightness": 0.5}, "brightness_set", "", "", pipeline.CommandSent},
		{"fail", nil, "", "quota", "used up", pipeline.CommandRefused},
		{"hush", nil, "", "command_error", "no prompt", pipeline.CommandRefused},
		{"set_brightness", nil, "", "invalid_command", `brightness: missing required argument`, pipeline.CommandRefused},
	}
	for i, tt := range tests {
		cause := pipeline.Cause{Node: "steer", Stream: "cam", Seq: uint64(i)}
		reply, err := s.Command(pipeline.WithCause(within(t), cause), tt.command, tt.args)
		var refused *pipeline.Refused
		if errors.As(err, &refused) != (tt.code != "") || err != nil && refused == nil {
			t.Fatalf("%s: got %v", tt.command, err)
		}
		if refused != nil {
			if diff := cmp.Diff(pipeline.Refused{Command: tt.command, Code: tt.code, Reason: tt.reason}, *refused); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.command, diff)
			}
		}
		if reply.Type != tt.reply {
			t.Errorf("%s: reply %+v", tt.command, reply)
		}
		records, n := s.Commands(uint64(i))
		if len(records) != 1 || n != uint64(i+1) {
			t.Fatalf("%s: ledger %v", tt.command, records)
		}
		r := records[0]
		if r.Command != tt.command || r.Outcome != tt.outcome || r.Reason != tt.reason || r.Cause.Seq != cause.Seq || r.Cause.Node != "steer" || r.Reply.Type != tt.reply || r.Time.IsZero() {
			t.Errorf("%s: record %+v", tt.command, r)
		}
	}
	if diff := cmp.Diff(map[pipeline.Outcome]uint64{pipeline.CommandSent: 2, pipeline.CommandRefused: 3}, s.CommandCounts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	s.Note(pipeline.CommandRecord{Command: "reset", Outcome: pipeline.CommandExpired})
	if n := s.CommandCounts()[pipeline.CommandExpired]; n != 1 {
		t.Errorf("%d expired", n)
	}
}

// A command that finds no connection is no command yet. One that loses it has
// failed, and is not to be sent again: it may have been carried out.
func TestCommandWhileReconnecting(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 503, RetryAfter: "0.2"})
	srv.Drop()
	_, err := s.Command(within(t), "reset", nil) // it waits until the loss is noticed
	if errors.Is(err, pipeline.ErrNotReady) || !errors.Is(err, sdk.ErrDisconnected) || !strings.HasSuffix(text(err), ", it may have been carried out") {
		t.Errorf("in flight: got %v", err)
	}
	refused := 0
	for {
		_, err := s.Command(within(t), "reset", nil)
		if err == nil {
			break
		}
		if !errors.Is(err, pipeline.ErrNotReady) || errors.Is(err, sdk.ErrDisconnected) {
			t.Fatalf("without a connection: got %v", err)
		}
		refused++
		srv.Heal(sessiontest.RouteReoffer)
		awaitStatus(t, s)
	}
	if refused == 0 {
		t.Error("the loss was not noticed")
	}
	var got []pipeline.Outcome
	records, _ := s.Commands(0)
	for _, r := range records {
		got = append(got, r.Outcome)
	}
	if diff := cmp.Diff([]pipeline.Outcome{pipeline.CommandFailed, pipeline.CommandSent}, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

// awaitStatus waits until the session says something of its status.
func awaitStatus(t *testing.T, s *session.Session) {
	t.Helper()
	live, err := s.Live()
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t)
	events := live.Events(ctx)
	if live.Status() == sdk.StatusReady {
		return
	}
	for range events {
		return
	}
}

// The end of a session is not its absence.
func TestCommandAfterTheEnd(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	live, err := s.Live()
	if err != nil {
		t.Fatal(err)
	}
	srv.EndSessions("that was all")
	<-live.Done()
	if _, err := s.Command(within(t), "reset", nil); !errors.Is(err, sdk.ErrSessionEnded) || errors.Is(err, pipeline.ErrNotReady) {
		t.Errorf("got %v", err)
	}
	if records, _ := s.Commands(0); len(records) != 1 || records[0].Outcome != pipeline.CommandFailed {
		t.Errorf("ledger: %v", records)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		start []config.SessionCommand
		want  string
		is    error
	}{
		{"nothing", nil, "", nil},
		{"in order", []config.SessionCommand{
			{Command: "reset"},
			{Command: "set_brightness", Data: value(t, map[string]any{"brightness": 0.5}), Wait: "brightness_set"},
		}, "", nil},
		{"never said", []config.SessionCommand{{Command: "reset", Wait: "well_done"}}, `start: the model did not say "well_done" within 500ms`, nil},
		{"refused", []config.SessionCommand{{Command: "fail", Wait: "well_done"}}, "start: command fail refused (quota): used up", nil},
		{"unknown", []config.SessionCommand{{Command: "jump"}}, `start: unknown command "jump"; the model has `, pipeline.ErrInvalid},
		{"not a map", []config.SessionCommand{{Command: "reset", Data: value(t, "now")}}, `start: command "reset": data must be a map of arguments`, pipeline.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := sessiontest.New(t, lamp())
			spec := local(srv.URL())
			spec.Start, spec.Wait = tt.start, 500*time.Millisecond
			s := newSession(t, spec)
			if err := s.Open(within(t)); err != nil {
				t.Fatal(err)
			}
			err := s.Start(within(t))
			if !strings.HasPrefix(text(err), tt.want) || (err == nil) != (tt.want == "") || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			records, _ := s.Commands(0)
			for i, r := range records {
				if r.Command != tt.start[i].Command || r.Cause.Node != "start" {
					t.Errorf("record %d: %+v", i, r)
				}
			}
			if tt.want == "" && len(records) != len(tt.start) {
				t.Errorf("%d commands sent, want %d", len(records), len(tt.start))
			}
		})
	}
}

// TestStartWithoutWaiting: who does not wait for a server waits for replies.
func TestStartWithoutWaiting(t *testing.T) {
	t.Parallel()
	spec := local(sessiontest.New(t, lamp()).URL())
	spec.Wait = 0
	spec.Start = []config.SessionCommand{{Command: "set_brightness", Data: value(t, map[string]any{"brightness": 0.5}), Wait: "brightness_set"}}
	if err := open(t, spec).Start(within(t)); err != nil {
		t.Error(err)
	}
}

// TestCommandOfWhoHasGivenUp: it is not sent, and not in the ledger.
func TestCommandOfWhoHasGivenUp(t *testing.T) {
	t.Parallel()
	s := open(t, local(sessiontest.New(t, lamp()).URL()))
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := s.Command(ctx, "reset", nil); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if records, _ := s.Commands(0); len(records) != 0 {
		t.Errorf("ledger: %v", records)
	}
}

func TestStartIsInterrupted(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	spec := local(srv.URL())
	spec.Start = []config.SessionCommand{{Command: "reset", Wait: "well_done"}}
	for _, tt := range []struct {
		name      string
		interrupt func(cancel func())
		is        error
	}{
		{"by the caller", func(cancel func()) { cancel() }, context.Canceled},
		{"by the server", func(func()) { srv.EndSessions("that was all") }, sdk.ErrSessionEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, spec)
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- s.Start(ctx) }()
			for sent := 0; sent == 0; { // the reply is in, the wait has begun
				records, _ := s.Commands(0)
				sent = len(records)
				select {
				case err := <-done:
					t.Fatalf("it is over: %v", err)
				case <-time.After(time.Millisecond):
				}
			}
			tt.interrupt(cancel)
			if err := <-done; !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %v", err, tt.is)
			}
		})
	}
}

func value(t *testing.T, raw any) expr.Value {
	t.Helper()
	v, err := expr.NewValue(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUpload(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	ref, err := s.Upload(within(t), pipeline.File{Name: "a.png", MIMEType: "image/png", Size: 4, Content: strings.NewReader("data")})
	if err != nil {
		t.Fatal(err)
	}
	if ref.UploadID == "" || ref.Name != "a.png" || ref.MIMEType != "image/png" || ref.Size != 4 {
		t.Errorf("got %+v", ref)
	}
	reply, err := s.Command(within(t), "set_image", map[string]any{"image": ref})
	if err != nil || reply.Data["data"] != "data" {
		t.Errorf("got %+v, %v", reply, err)
	}
}

// The model's frames stay at the server until a source wants them.
func TestTracksArePaused(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	live, err := open(t, local(srv.URL())).Live()
	if err != nil {
		t.Fatal(err)
	}
	track, err := live.Track("main_video")
	if err != nil || !track.Paused() || len(srv.Output("main_video").Demand()) != 0 {
		t.Errorf("%v, watched: %+v", err, srv.Output("main_video").Demand())
	}
}

func TestMessagesAndSchema(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	messages := s.Messages(within(t))
	srv.Broadcast("state", map[string]any{"n": 1})
	got := pipeline.Message{}
	for got = range messages {
		break
	}
	if got.Type != "state" || got.Data["n"] != 1.0 || got.At.IsZero() {
		t.Errorf("got %+v", got)
	}
	document, err := s.Schema(within(t))
	if err != nil || !strings.Contains(string(document), "/events/set_brightness") {
		t.Errorf("got %s, %v", document, err)
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	asked := make(chan error, 1)
	m := lamp()
	m.Receive = func(_ context.Context, in *sessiontest.Input) {
		for {
			if _, err := in.ReadRTP(); err != nil {
				return
			}
			select {
			case asked <- errors.Join(in.RequestKeyframe(), in.SendREMB(600_000)):
			default:
			}
		}
	}
	srv, err := sessiontest.Serve(context.WithoutCancel(t.Context()), sessiontest.Config{Model: m, Codecs: []string{"vp8"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	s := open(t, local(srv.URL()))
	for _, tt := range []struct {
		publish pipeline.Publish
		want    string
	}{
		{pipeline.Publish{Track: "nonsense"}, `track: [NOT_FOUND] unknown track "nonsense"`},
		{pipeline.Publish{Track: "main_video"}, `track "main_video": the model sends it and does not take it`},
		{pipeline.Publish{Track: "source", Codec: "h265"}, `publish_track: [NO_COMMON_CODEC] track source: cannot send h265`},
	} {
		if err := s.CheckPublish(tt.publish); tt.publish.Codec == "" && !errors.Is(err, pipeline.ErrInvalid) {
			t.Errorf("check of %s: %v", tt.publish.Track, err)
		}
		_, err := s.Publish(within(t), tt.publish)
		if !errors.Is(err, pipeline.ErrInvalid) || !strings.HasPrefix(text(err), tt.want) {
			t.Errorf("got %v, want %s…", err, tt.want)
		}
	}

	if err := s.CheckPublish(pipeline.Publish{Track: "source"}); err != nil {
		t.Errorf("check: %v", err)
	}
	keyframes := make(chan struct{}, 100)
	rates := make(chan int, 100)
	w, err := s.Publish(within(t), pipeline.Publish{
		Track: "source", Codec: "vp8",
		OnKeyframe: func() { keyframes <- struct{}{} }, OnBitrate: func(bps int) { rates <- bps },
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.Codec() != "vp8" {
		t.Errorf("codec %s", w.Codec())
	}
	if err := w.WriteSample(pipeline.Sample{Data: sessiontest.VP8Clip().Frames[0]}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-asked:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("no packet came")
	}
	select {
	case <-keyframes:
	case <-time.After(patience):
		t.Error("no keyframe was asked for")
	}
	select {
	case bps := <-rates:
		if bps <= 0 {
			t.Errorf("%d bit/s", bps)
		}
	case <-time.After(patience):
		t.Error("no bitrate was told")
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := w.WriteSample(pipeline.Sample{Data: []byte{0}}); err == nil || errors.Is(err, pipeline.ErrNotReady) {
		t.Errorf("a sample on a closed track: %v", err)
	}
	again, err := s.Publish(within(t), pipeline.Publish{Track: "source"})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	for onExit, want := range map[string]int{"end": 0, "leave": 1} {
		for _, canceled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/canceled=%t", onExit, canceled), func(t *testing.T) {
				t.Parallel()
				srv := sessiontest.New(t, lamp())
				spec := local(srv.URL())
				spec.OnExit = onExit
				s := open(t, spec)
				ctx, cancel := context.WithCancel(t.Context())
				if canceled {
					cancel()
				}
				defer cancel()
				for range 2 {
					if err := s.Close(ctx); err != nil {
						t.Error(err)
					}
				}
				if n := srv.Sessions(); n != want {
					t.Errorf("%d sessions are left, want %d", n, want)
				}
				if _, err := s.Command(t.Context(), "reset", nil); !errors.Is(err, pipeline.ErrNotReady) {
					t.Errorf("got %v from a closed session", err)
				}
			})
		}
	}
}
