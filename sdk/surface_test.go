package sdk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// recording is a lamp whose sessions are recorded, in short chunks.
func recording(t *testing.T) *sessiontest.Server {
	t.Helper()
	return sessiontest.NewConfig(t, sessiontest.Config{
		Model: lamp(), Recording: sessiontest.Recording{Enabled: true, Chunk: 200 * time.Millisecond},
	})
}

// requested asks for clips until there is media.
func requested(t *testing.T, request func() (sdk.Clip, error)) sdk.Clip {
	t.Helper()
	var clip sdk.Clip
	eventually(t, "a clip", func() bool {
		var err error
		clip, err = request()
		if err != nil && !strings.Contains(err.Error(), "no media generated yet") {
			t.Fatal(err)
		}
		return err == nil
	})
	return clip
}

// boxes are the types of the boxes of an MP4 file, at its top.
func boxes(t *testing.T, file []byte) []string {
	t.Helper()
	var types []string
	for len(file) > 0 {
		size := int(binary.BigEndian.Uint32(file))
		if size < 8 || size > len(file) {
			t.Fatalf("a box of %d bytes in %d", size, len(file))
		}
		types = append(types, string(file[4:8]))
		file = file[size:]
	}
	return types
}

func TestClips(t *testing.T) {
	t.Parallel()
	srv := recording(t)
	s := connect(t, srv, sdk.Config{})
	read(t, track(t, s, "main_video"))

	t.Run("the last seconds", func(t *testing.T) {
		clip := requested(t, func() (sdk.Clip, error) { return s.RequestClip(within(t), time.Second) })
		if clip.Kind != sdk.ClipSnap || clip.RecordingID == "" || clip.End <= clip.Start || !strings.HasPrefix(clip.PlaylistURL, srv.URL()+"/clips?") {
			t.Errorf("got %+v", clip)
		}
		var file bytes.Buffer
		var done []int
		if err := s.Download(within(t), clip, &file, sdk.DownloadConfig{Progress: func(n, of int) { done = append(done, n, of) }}); err != nil {
			t.Fatal(err)
		}
		got := boxes(t, file.Bytes())
		if !slices.Contains(got, "moov") || !slices.Contains(got, "moof") || got[0] != "ftyp" {
			t.Errorf("the file has %v", got)
		}
		if n := len(done); n < 4 || done[n-1] != done[n-2] || done[0] != 1 {
			t.Errorf("progress: %v", done)
		}
	})

	t.Run("all of it", func(t *testing.T) {
		var file bytes.Buffer
		clip, err := s.SaveRecording(within(t), &file, sdk.DownloadConfig{})
		if err != nil || clip.Kind != sdk.ClipRecording || clip.Start != 0 || file.Len() == 0 {
			t.Errorf("got %+v, %d bytes, %v", clip, file.Len(), err)
		}
	})

	t.Run("events", func(t *testing.T) {
		events := pulled(t, s.Events(within(t)))
		var file bytes.Buffer
		clip, err := s.SaveClip(within(t), time.Second, &file, sdk.DownloadConfig{})
		if err != nil || file.Len() == 0 {
			t.Fatal(err)
		}
		if e := await(t, events, ofType(sdk.EventClipReady)); *e.Clip != clip {
			t.Errorf("got %+v, want %+v", e.Clip, clip)
		}
	})

	t.Run("no length", func(t *testing.T) {
		_, err := s.RequestClip(within(t), 0)
		if message(err) != "request_clip: [BAD_REQUEST] duration: must be positive, got 0s" {
			t.Errorf("got %v", err)
		}
	})

	t.Run("when the session is over", func(t *testing.T) {
		clip := requested(t, func() (sdk.Clip, error) { return s.RequestRecording(within(t)) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var own, alone bytes.Buffer
		if err := s.Download(within(t), clip, &own, sdk.DownloadConfig{}); err != nil {
			t.Error(err)
		}
		if err := sdk.Download(within(t), clip, &alone, sdk.DownloadConfig{Token: "x"}); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(own.Bytes(), alone.Bytes()) || own.Len() == 0 {
			t.Errorf("%d and %d bytes", own.Len(), alone.Len())
		}
		if _, err := s.RequestClip(within(t), time.Second); !errors.Is(err, sdk.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoRecorder(t *testing.T) {
	s := connect(t, sessiontest.New(t, lamp()), sdk.Config{})
	events := pulled(t, s.Events(within(t)))
	_, err := s.RequestRecording(within(t))
	var e *sdk.Error
	if !errors.As(err, &e) || e.Code != sdk.CodeRecorderDisabled || e.Recoverable ||
		e.Error() != "request_recording: [RECORDER_DISABLED] recorder disabled or encoder crashed" {
		t.Errorf("got %v", err)
	}
	if e := await(t, events, ofType(sdk.EventClipFailed)); e.Reason != "recorder disabled or encoder crashed" {
		t.Errorf("got %+v", e)
	}
}

// stepper draws one grey picture a step, as bright as it was told, and hands
// back what it was given.
func stepper() sessiontest.Model {
	brightness := 0.0
	m := lamp()
	m.Tracks = []sessiontest.Track{
		{Name: "main_video", Loop: sessiontest.TestClips()},
		{Name: "source", Direction: sessiontest.SendOnly},
		{Name: "mic", Kind: sessiontest.Audio, Direction: sessiontest.SendOnly},
	}
	m.Commands[0].Handle = func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
		brightness = c.Args["brightness"].(float64)
		return nil, nil
	}
	m.Step = func(_ context.Context, s *sessiontest.Step) error {
		if brightness == 2 {
			return errors.New("too bright")
		}
		level := byte(100 * brightness)
		s.Emit("main_video", 24, sessiontest.Picture(2, 1, []byte{level, level, level, level, level, level}))
		for name, frames := range s.Inputs {
			for _, f := range frames {
				s.Say("got", map[string]any{"track": name, "bytes": len(f.Data), "metadata": string(f.Metadata)})
			}
		}
		s.Attach(sessiontest.StepFile{Name: "notes.txt", ContentType: "text/plain", Data: []byte("noted")})
		return nil
	}
	return m
}

func TestStepped(t *testing.T) {
	t.Parallel()
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: stepper(), StepResults: sessiontest.StepResults{Enabled: true}})
	s := connect(t, srv, sdk.Config{Generation: sdk.Stepped, StepTimeout: patience})
	if s.Generation() != sdk.Stepped || s.Info().Generation != sdk.Stepped || !s.Info().StepResults {
		t.Errorf("got %s, %+v", s.Generation(), s.Info())
	}

	t.Run("a step", func(t *testing.T) {
		messages := pulled(t, s.Messages(within(t)))
		picture := sdk.RawPicture([]byte{1, 2, 3}, 1, 1)
		picture.Metadata = []byte("m")
		got, err := s.Step(within(t), sdk.StepRequest{
			State: map[string]any{"brightness": 1.5},
			Media: map[string][]sdk.StepFrame{"source": {picture}, "mic": {sdk.RawAudio([]int16{1, 2})}},
		})
		if err != nil {
			t.Fatal(err)
		}
		o, ok := got.Output("main_video")
		if !ok || got.Step != 1 || o.Rate != 24 || len(o.Frames) != 1 || !bytes.Equal(o.Frames[0].Data, bytes.Repeat([]byte{150}, 6)) {
			t.Errorf("got %+v", got)
		}
		seen := map[string]any{}
		for range 2 {
			m := await(t, messages, func(m sdk.Message) bool { return m.Type == "got" })
			seen[m.Data["track"].(string)] = m.Data["bytes"]
		}
		if diff := cmp.Diff(map[string]any{"source": 3.0, "mic": 4.0}, seen); diff != "" {
			t.Errorf("the model got (-want +got):\n%s", diff)
		}
	})

	t.Run("refused", func(t *testing.T) {
		_, err := s.Step(within(t), sdk.StepRequest{State: map[string]any{"nope": 1}})
		var e *sdk.Error
		if !errors.As(err, &e) || !errors.Is(err, sdk.ErrRefused) || e.Code != sdk.CodeStepRefused || e.Entry != "state.nope" {
			t.Errorf("got %v", err)
		}
	})

	t.Run("a command that fails", func(t *testing.T) {
		_, err := s.Step(within(t), sdk.StepRequest{Commands: []sdk.StepCommand{{Name: "reset"}, {Name: "fail"}}})
		var e *sdk.Error
		if !errors.As(err, &e) || e.Code != sdk.CodeStepCommand || e.Entry != "commands[1]" || e.CommandCode != "quota" {
			t.Errorf("got %v", err)
		}
	})

	t.Run("a model that fails", func(t *testing.T) {
		got, err := s.Step(within(t), sdk.StepRequest{State: map[string]any{"brightness": 2}})
		if err != nil || got.Failure == "" || len(got.Outputs) != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := s.Step(within(t), sdk.StepRequest{State: map[string]any{"brightness": 1}}); err != nil {
			t.Errorf("the step after it: %v", err)
		}
	})

	t.Run("files", func(t *testing.T) {
		var record sdk.StepRecord
		eventually(t, "the record of the first step", func() bool {
			var err error
			record, err = s.StepRecord(within(t), 1)
			if err != nil && !errors.Is(err, sdk.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		})
		var file bytes.Buffer
		if err := s.DownloadStepFile(within(t), 1, "notes.txt", &file); err != nil || file.String() != "noted" {
			t.Errorf("got %q, %v", file.String(), err)
		}
		steps, err := s.Steps(within(t))
		if err != nil || !slices.Contains(steps, 1) || record.Step != 1 {
			t.Errorf("got %v, %v; record of %d", steps, err, record.Step)
		}
	})

	t.Run("the caller has given up", func(t *testing.T) {
		before, err := s.Step(within(t), sdk.StepRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Step(over(), sdk.StepRequest{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if after, err := s.Step(within(t), sdk.StepRequest{}); err != nil || after.Step != before.Step+1 {
			t.Errorf("step %d after step %d, %v", after.Step, before.Step, err)
		}
	})

	t.Run("goes on after a reconnect", func(t *testing.T) {
		before, err := s.Step(within(t), sdk.StepRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Reconnect(within(t)); err != nil {
			t.Fatal(err)
		}
		after, err := s.Step(within(t), sdk.StepRequest{})
		if err != nil || after.Step != before.Step+1 {
			t.Errorf("step %d after step %d, %v", after.Step, before.Step, err)
		}
	})
}

func TestStepsNeedChunking(t *testing.T) {
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: stepper(), PlainChannels: true})
	_, err := sdk.Connect(within(t), sdk.Config{Local: true, BaseURL: srv.URL(), Generation: sdk.Stepped})
	if message(err) != "connect: [DATA_CHANNEL_CHUNKING_REQUIRED] stepped generation needs data-channel chunking, which this connection did not negotiate" {
		t.Errorf("got %v", err)
	}
	eventually(t, "the session is ended", func() bool { return srv.Sessions() == 0 })
}

func TestTracks(t *testing.T) {
	m := lamp()
	m.Tracks = append(m.Tracks, sessiontest.Track{Name: "main_audio", Kind: sessiontest.Audio}, sessiontest.Track{Name: "mic", Kind: sessiontest.Audio, Direction: sessiontest.SendOnly})
	s := connect(t, sessiontest.New(t, m), sdk.Config{})
	tests := []struct {
		name   string
		filter sdk.TrackFilter
		want   []string
	}{
		{"all", sdk.TrackFilter{}, []string{"source", "mic", "main_video", "main_audio"}},
		{"of a kind", sdk.TrackFilter{Kind: sdk.Audio}, []string{"mic", "main_audio"}},
		{"of a direction", sdk.TrackFilter{Direction: sdk.SendOnly}, []string{"source", "mic"}},
		{"of both", sdk.TrackFilter{Kind: sdk.Video, Direction: sdk.ReceiveOnly}, []string{"main_video"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, tr := range s.Tracks(tt.filter) {
				got = append(got, tr.Name())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			one, err := s.OneTrack(tt.filter)
			if (len(tt.want) == 1) != (err == nil) || err == nil && one != track(t, s, tt.want[0]) {
				t.Errorf("one: %v, %v", one, err)
			}
		})
	}
	if _, err := s.OneTrack(sdk.TrackFilter{Kind: sdk.Audio}); message(err) != `track: [NOT_FOUND] expected one track, the model has "mic", "main_audio"` {
		t.Errorf("got %v", err)
	}
	video := track(t, s, "main_video")
	if len(s.PausedTracks()) != 0 || video.MID() == "" || video.MID() == track(t, s, "source").MID() {
		t.Errorf("paused %v, mid %q", s.PausedTracks(), video.MID())
	}
	if err := video.Pause(within(t)); err != nil || !slices.Equal(s.PausedTracks(), []string{"main_video"}) {
		t.Errorf("paused %v, %v", s.PausedTracks(), err)
	}
	source := track(t, s, "source")
	pub, err := source.Publish(within(t), sdk.PublishConfig{})
	if err != nil || !source.Published() {
		t.Errorf("published %v, %v", source.Published(), err)
	}
	_ = pub.Close()
	if source.Published() {
		t.Error("published after the close")
	}
}

// TestAskedReconnect: a connection is made anew when its user asks for it, also
// where a loss would be the end.
func TestAskedReconnect(t *testing.T) {
	t.Parallel()
	for _, window := range []time.Duration{0, -1} {
		s := connect(t, sessiontest.New(t, lamp()), sdk.Config{ReconnectWindow: window})
		id, connection := s.ID(), s.ConnectionID()
		if err := s.Reconnect(within(t)); err != nil {
			t.Fatal(err)
		}
		if s.ID() != id || s.ConnectionID() != connection || s.Status() != sdk.StatusReady {
			t.Errorf("session %s, connection %d, %s; before %s, %d", s.ID(), s.ConnectionID(), s.Status(), id, connection)
		}
		for p := read(t, track(t, s, "main_video")); p.Epoch != 2; {
			p = read(t, track(t, s, "main_video"))
		}
		if err := s.LastError(); !errors.Is(err, sdk.ErrDisconnected) {
			t.Errorf("last error: %v", err)
		}
		if err := s.Reconnect(over()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		_ = s.Close()
		if err := s.Reconnect(within(t)); !errors.Is(err, sdk.ErrClosed) {
			t.Errorf("after the close: %v", err)
		}
	}
}

func TestInfo(t *testing.T) {
	s := connect(t, recording(t), sdk.Config{})
	got := s.Info()
	if got.Model != "lamp" || got.Generation != sdk.Streamed || !got.Recording || got.Cluster != "local" || got.ServerVersion == "" || got.StepResults {
		t.Errorf("got %+v", got)
	}
	if s.Capabilities().ProtocolVersion == "" || s.LastError() != nil {
		t.Errorf("got %+v, %v", s.Capabilities(), s.LastError())
	}
}

// TestAdoptConnection takes a connection that somebody else has registered.
func TestAdoptConnection(t *testing.T) {
	srv := sessiontest.New(t, lamp())
	host := connect(t, srv, sdk.Config{})
	resp, err := http.Post(srv.URL()+"/sessions/"+host.ID()+"/transport/webrtc/connections", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	var registered struct {
		ID uint32 `json:"connection_id"`
	}
	err = json.NewDecoder(resp.Body).Decode(&registered)
	_ = resp.Body.Close()
	if err != nil || registered.ID == 0 {
		t.Fatalf("registered %d, %v", registered.ID, err)
	}
	guest := connect(t, srv, sdk.Config{Local: true, SessionID: host.ID(), ConnectionID: registered.ID})
	if guest.ConnectionID() != registered.ID || guest.ID() != host.ID() {
		t.Errorf("session %s, connection %d, want %s, %d", guest.ID(), guest.ConnectionID(), host.ID(), registered.ID)
	}
	// What the model says is for both.
	both := []func() (sdk.Message, bool){pulled(t, host.Messages(within(t))), pulled(t, guest.Messages(within(t)))}
	for _, s := range []*sdk.Session{host, guest} {
		if _, err := s.Command(within(t), "reset", nil); err != nil { // the server knows us now
			t.Fatal(err)
		}
	}
	srv.Broadcast("state", nil)
	for _, next := range both {
		await(t, next, func(m sdk.Message) bool { return m.Type == "state" })
	}
	if err := guest.Close(); err != nil || srv.Sessions() != 1 {
		t.Errorf("%d sessions after the guest closed, %v", srv.Sessions(), err)
	}
}

func TestUploadProgress(t *testing.T) {
	s := connect(t, sessiontest.New(t, lamp()), sdk.Config{})
	text := strings.Repeat("0123456789", 20_000)
	name := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	uploads := map[string]func(sdk.UploadInfo) (sdk.FileRef, error){
		"from a reader": func(i sdk.UploadInfo) (sdk.FileRef, error) {
			i.Name, i.Size = "a.png", int64(len(text))
			return s.Upload(within(t), strings.NewReader(text), i)
		},
		"from a path": func(i sdk.UploadInfo) (sdk.FileRef, error) { return s.UploadFile(within(t), name, i) },
	}
	for how, upload := range uploads {
		t.Run(how, func(t *testing.T) {
			var last, calls int64
			ref, err := upload(sdk.UploadInfo{Progress: func(sent, total int64) {
				if calls++; sent <= last || total != int64(len(text)) {
					t.Errorf("%d of %d after %d", sent, total, last)
				}
				last = sent
			}})
			if err != nil || ref.Name != "a.png" || ref.MIMEType != "image/png" || ref.Size != int64(len(text)) {
				t.Fatalf("got %+v, %v", ref, err)
			}
			if last != int64(len(text)) || calls < 2 {
				t.Errorf("%d bytes in %d calls", last, calls)
			}
		})
	}
	if _, err := s.UploadFile(within(t), name+".none", sdk.UploadInfo{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UploadFile(within(t), empty, sdk.UploadInfo{}); message(err) != "upload: [INVALID_STATE] the file is empty" {
		t.Errorf("got %v", err)
	}
}

// TestFilesInCommands: references stand anywhere in the arguments, several in
// one command, beside plain values.
func TestFilesInCommands(t *testing.T) {
	m := lamp()
	file := func(name string) sessiontest.Arg { return sessiontest.Arg{Name: name, Type: sessiontest.File()} }
	m.Commands = append(m.Commands, sessiontest.Command{
		Name: "compose", Open: true, Args: []sessiontest.Arg{file("front"), file("back")},
		Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
			text := func(v any) string { return string(v.(*sessiontest.Upload).Data) }
			layer := c.Args["layers"].([]any)[1].(map[string]any)
			return &sessiontest.Message{Type: "composed", Data: map[string]any{
				"text":  text(c.Args["front"]) + text(c.Args["back"]) + text(c.Args["layers"].([]any)[0]) + text(layer["image"]),
				"alpha": layer["alpha"], "title": c.Args["title"],
			}}, nil
		},
	})
	s := connect(t, sessiontest.New(t, m), sdk.Config{})
	upload := func(text string) sdk.FileRef {
		ref, err := s.Upload(within(t), strings.NewReader(text), sdk.UploadInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	back := upload("b")
	reply, err := s.Command(within(t), "compose", map[string]any{
		"front": upload("a"), "back": &back, "title": "x",
		"layers": []any{upload("c"), map[string]any{"image": upload("d"), "alpha": 0.5}},
	})
	if diff := cmp.Diff(map[string]any{"text": "abcd", "alpha": 0.5, "title": "x"}, reply.Data); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestAudio sends and receives Opus.
func TestAudio(t *testing.T) {
	arrived := make(chan []byte, 100)
	m := lamp()
	m.Tracks = []sessiontest.Track{
		{Name: "main_audio", Kind: sessiontest.Audio, Loop: []*sessiontest.Clip{sessiontest.SilenceClip()}},
		{Name: "mic", Kind: sessiontest.Audio, Direction: sessiontest.SendOnly},
	}
	m.Receive = func(ctx context.Context, in *sessiontest.Input) {
		for {
			p, err := in.ReadRTP()
			if err != nil {
				return
			}
			select {
			case arrived <- p.Payload:
			case <-ctx.Done():
				return
			}
		}
	}
	s := connect(t, sessiontest.New(t, m), sdk.Config{})
	if p := read(t, track(t, s, "main_audio")); p.Codec != "opus" || len(p.Payload) == 0 {
		t.Errorf("got %s, %d bytes", p.Codec, len(p.Payload))
	}
	pub, err := track(t, s, "mic").Publish(within(t), sdk.PublishConfig{})
	if err != nil || pub.Codec() != "opus" {
		t.Fatalf("%v, %v", pub, err)
	}
	for i := range 3 {
		write(t, pub, sdk.Sample{Data: []byte{0xf8, 0xff, byte(i)}, PTS: time.Duration(i) * 20 * time.Millisecond, UserData: []byte("not for audio")})
	}
	for i := range 3 {
		select {
		case got := <-arrived:
			if !bytes.Equal(got, []byte{0xf8, 0xff, byte(i)}) {
				t.Errorf("packet %d: %x", i, got)
			}
		case <-time.After(patience):
			t.Fatal("nothing arrived")
		}
	}
}

// TestPublishEveryCodec publishes in each codec that an answer may hold.
func TestPublishEveryCodec(t *testing.T) {
	samples := map[string][]byte{
		"vp8": sessiontest.VP8Clip().Frames[0], "vp9": sessiontest.VP9Clip().Frames[0],
		"h264": {0, 0, 0, 1, 0x65, 1, 2, 3}, "h265": {0, 0, 0, 1, 0x26, 1, 2, 3}, "av1": {0x32, 3, 1, 2, 3},
	}
	for codec, sample := range samples {
		t.Run(codec, func(t *testing.T) {
			arrived := make(chan string, 100)
			m := lamp()
			m.Receive = func(_ context.Context, in *sessiontest.Input) {
				if p, err := in.ReadRTP(); err == nil && len(p.Payload) > 0 {
					arrived <- in.Codec()
				}
			}
			srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, Codecs: []string{"vp8", "vp9", "h264", "h265", "av1"}})
			s := connect(t, srv, sdk.Config{})
			pub, err := track(t, s, "source").Publish(within(t), sdk.PublishConfig{Codec: codec})
			if err != nil {
				t.Fatal(err)
			}
			write(t, pub, sdk.Sample{Data: sample, UserData: []byte("x")})
			select {
			case got := <-arrived:
				if got != codec {
					t.Errorf("arrived as %s", got)
				}
			case <-time.After(patience):
				t.Fatal("nothing arrived")
			}
		})
	}
}

func TestMonotonic(t *testing.T) {
	if a, b := sdk.Monotonic(), sdk.Monotonic(); a <= 0 || b < a {
		t.Errorf("%v, then %v", a, b)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	reports := make(chan *wire.ClientStats, 10)
	m, published := watching(lamp())
	m.Reported = func(_ string, _ uint32, stats *wire.ClientStats) { reports <- stats }
	srv := sessiontest.New(t, m)
	s := connect(t, srv, sdk.Config{Codecs: []string{"vp8"}})
	video := track(t, s, "main_video")
	read(t, video)
	pub, err := track(t, s, "source").Publish(within(t), sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, pub, sdk.Sample{Data: sessiontest.VP8Clip().Frames[0]})
	<-published
	if err := video.RequestKeyframe(); err != nil {
		t.Fatal(err)
	}
	video.ReportDecoding(sdk.Decoding{Frames: 7, Width: 640, Height: 360, Implementation: "none"})
	var got sdk.Stats
	eventually(t, "rates", func() bool {
		got, err = s.Stats(within(t))
		return err == nil && got.IncomingBitrate != nil && got.FramesPerSecond != nil && got.RTT != nil && *got.IncomingBitrate > 0
	})
	in, out := got.Inbound[0], got.Outbound[0]
	if in.Track != "main_video" || in.Codec != "vp8" || in.PacketsReceived == 0 || in.FramesReceived == 0 || in.KeyframeRequests != 1 ||
		in.Jitter == nil || in.PacketsLost != 0 || in.Decoding == nil || in.Decoding.Frames != 7 || in.Bitrate == nil {
		t.Errorf("inbound: %+v", in)
	}
	if out.Track != "source" || out.Codec != "vp8" || out.PacketsSent == 0 || out.FramesSent != 1 || out.TargetBitrate == nil || out.PacketsRetransmitted != 0 {
		t.Errorf("outbound: %+v", out)
	}
	if got.PacketsReceived != in.PacketsReceived || got.PacketsSent != out.PacketsSent || got.CandidateType != "host" || got.RelayProtocol != "" ||
		got.CandidatePairState != "succeeded" || *got.PacketLoss != 0 || *got.TargetBitrate != *out.TargetBitrate ||
		got.AvailableIncomingBitrate != nil || *got.AvailableOutgoingBitrate == 0 {
		t.Errorf("got %+v", got)
	}
	live := slices.IndexFunc(got.Pairs, func(p sdk.PairStats) bool { return p.AvailableOutgoingBitrate != nil })
	if live < 0 || !got.Pairs[live].Nominated || !got.Pairs[live].Writable || got.Pairs[live].BytesReceived == 0 {
		t.Errorf("pairs: %+v", got.Pairs)
	}

	r := <-reports
	names := map[string]*wire.ClientTrackStat{}
	for _, tr := range r.GetTrackStats() {
		names[tr.GetTrackName()] = tr
	}
	if tr := names["main_video"]; tr.GetMetrics()["packets_received"] == 0 || tr.GetMetrics()["frames_decoded"] != 7 ||
		tr.GetVideoCodec() != wire.VideoCodec_VIDEO_CODEC_VP8 || tr.GetCodecImplementation() != "none" || tr.GetPaused() {
		t.Errorf("reported: %v", tr)
	}
	if tr := names["source"]; tr.GetMetrics()["packets_sent"] == 0 || tr.GetDirection() != wire.TrackDirection_TRACK_DIRECTION_SENDONLY {
		t.Errorf("reported: %v", tr)
	}
	if c := r.GetConnectionStat(); c.GetMetrics()["time_to_connect_ms"] == 0 || c.GetMetrics()["available_outgoing_bitrate_bps"] == 0 || c.GetEnvironment().GetSdkType() != "go" {
		t.Errorf("reported: %v", c)
	}
	if r := <-reports; len(r.GetConnectionStat().GetMetrics()) != 1 {
		t.Errorf("the second report still says how long connecting took: %v", r.GetConnectionStat())
	}
	_ = s.Close()
	if _, err := s.Stats(within(t)); !errors.Is(err, sdk.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestBitrateBounds(t *testing.T) {
	t.Parallel()
	s := connect(t, sessiontest.New(t, lamp()), sdk.Config{Bitrate: sdk.BitrateBounds{Start: 3_000_000}})
	source := track(t, s, "source")
	pub, err := source.Publish(within(t), sdk.PublishConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if got := pub.Bitrate(); got != 3_000_000 {
		t.Errorf("begins with %d", got)
	}
	set := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	set(s.SetBitrate(sdk.BitrateBounds{Min: 200_000, Start: 300_000, Max: 400_000}))
	if got := pub.Bitrate(); got != 400_000 {
		t.Errorf("got %d within the session's bounds", got)
	}
	set(source.SetBitrate(sdk.BitrateBounds{Max: 250_000}))
	if got := pub.Bitrate(); got != 250_000 {
		t.Errorf("got %d within both bounds", got)
	}
	if err := s.Reconnect(within(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the track is published again", source.Published)
	if got := pub.Bitrate(); got != 250_000 {
		t.Errorf("got %d after a reconnect", got)
	}
	set(source.SetBitrate(sdk.BitrateBounds{}))
	if got := pub.Bitrate(); got != 300_000 {
		t.Errorf("got %d, want the new start", got)
	}
	for _, tt := range []struct {
		name string
		set  func() error
		want string
	}{
		{"negative", func() error { return s.SetBitrate(sdk.BitrateBounds{Min: -1}) }, "set_bitrate: [INVALID_STATE] bitrate bounds: must not be negative, got -1, 0, 0"},
		{"out of order", func() error { return s.SetBitrate(sdk.BitrateBounds{Min: 2, Max: 1}) }, "set_bitrate: [TRANSPORT_ERROR] bitrate bounds: must be in order, got 2, 0, 1"},
		{"start out of order", func() error { return s.SetBitrate(sdk.BitrateBounds{Min: 2, Start: 1}) }, "set_bitrate: [TRANSPORT_ERROR] bitrate bounds: must be in order, got 2, 1, 0"},
		{"a start for a track", func() error { return source.SetBitrate(sdk.BitrateBounds{Start: 1}) }, "set_bitrate: [INVALID_STATE] bitrate bounds: a track has no start, got 1"},
		{"an output", func() error { return track(t, s, "main_video").SetBitrate(sdk.BitrateBounds{}) }, "set_bitrate: [INVALID_STATE] track main_video is not an input of the model"},
		{"in the configuration", func() error {
			_, err := sdk.Connect(within(t), sdk.Config{Local: true, Bitrate: sdk.BitrateBounds{Max: -1}})
			return err
		}, "bitrate bounds: must not be negative, got 0, 0, -1"},
	} {
		if err := tt.set(); message(err) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestCheckedCommands: what does not fit the schema is not sent, and refused in
// the words of Schema.Check.
func TestCheckedCommands(t *testing.T) {
	m := lamp()
	var asked atomic.Int32
	m.Commands[0].Handle = func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
		asked.Add(1)
		return nil, nil
	}
	s := connect(t, sessiontest.New(t, m), sdk.Config{CheckCommands: true})
	tests := []struct {
		name, command string
		args          map[string]any
		want          string
	}{
		{"fits", "set_brightness", map[string]any{"brightness": 1}, ""},
		{"unknown", "set_brightnes", nil, `command set_brightnes: [invalid_command] unknown command "set_brightnes"; the model has "fail", "reset", "set_brightness", "set_image", "start"`},
		{"out of range", "set_brightness", map[string]any{"brightness": 5}, "command set_brightness: [invalid_command] brightness: 5 is above the maximum of 2"},
		{"two mistakes", "set_brightness", map[string]any{"x": 5}, `command set_brightness: [invalid_command] x: unexpected argument; the command takes "brightness"; brightness: missing required argument`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Command(within(t), tt.command, tt.args)
			if message(err) != tt.want || errors.Is(err, sdk.ErrRefused) != (tt.want != "") {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
}
