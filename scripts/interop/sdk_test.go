package interop

import (
	"bytes"
	"context"
	"errors"
	"image"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
)

func connect(t *testing.T, r *runtime, cfg sdk.Config) *sdk.Session {
	t.Helper()
	cfg.BaseURL, cfg.Local = r.url, true
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := sdk.Connect(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// within is the context of a call that takes a moment.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestSession(t *testing.T) {
	r := serve(t, "mirror")
	s := connect(t, r, sdk.Config{})

	t.Run("capabilities", func(t *testing.T) {
		want := []sdk.TrackInfo{
			{Name: "source", Kind: sdk.Video, Direction: sdk.SendOnly},
			{Name: "main_video", Kind: sdk.Video, Direction: sdk.ReceiveOnly},
		}
		if diff := cmp.Diff(want, s.Capabilities().Tracks); diff != "" {
			t.Errorf("tracks (-want +got):\n%s", diff)
		}
	})

	t.Run("schema", func(t *testing.T) {
		document, err := s.Schema(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sdk.ParseSchema(document); err != nil {
			t.Error(err)
		}
	})

	t.Run("reply", func(t *testing.T) {
		reply, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": 1.5})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"brightness": 1.5}, reply.Data); reply.Type != "brightness_set" || diff != "" {
			t.Errorf("reply %s (-want +got):\n%s", reply.Type, diff)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		tests := []struct {
			name string
			args map[string]any
			want sdk.Error
		}{
			{"refuse", map[string]any{"reason": "no"}, sdk.Error{Code: "refused", Message: "no"}},
			{"set_brightness", map[string]any{"brightness": 3}, sdk.Error{Code: "invalid_command", Message: "brightness: 3.0 > le(2.0)"}},
			{"set_brightness", nil, sdk.Error{Code: "invalid_command", Message: "missing required argument"}},
			{"nonesuch", nil, sdk.Error{Code: "invalid_command", Message: "unknown command"}},
		}
		for _, tt := range tests {
			_, err := s.Command(within(t), tt.name, tt.args)
			var got *sdk.Error
			if !errors.As(err, &got) || !errors.Is(err, sdk.ErrRefused) {
				t.Errorf("%s: %v, want a refusal", tt.name, err)
				continue
			}
			if got.Code != tt.want.Code || got.Message != tt.want.Message {
				t.Errorf("%s: %s: %s, want %s: %s", tt.name, got.Code, got.Message, tt.want.Code, tt.want.Message)
			}
		}
	})

	t.Run("acknowledgement and broadcast", func(t *testing.T) {
		heard := s.Messages(within(t))
		reply, err := s.Command(within(t), "announce", map[string]any{"text": "hear, hear"})
		if err != nil || reply.Type != "" {
			t.Fatalf("%+v, %v; want a bare acknowledgement", reply, err)
		}
		for m := range heard {
			if m.Type != "announcement" {
				continue
			}
			if m.Data["text"] != "hear, hear" {
				t.Errorf("got %v", m.Data)
			}
			return
		}
		t.Error("nothing was broadcast")
	})

	t.Run("upload", func(t *testing.T) {
		content := bytes.Repeat([]byte{7}, 100_000)
		ref, err := s.Upload(within(t), bytes.NewReader(content), sdk.UploadInfo{Name: "a.png", Size: int64(len(content))})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := s.Command(within(t), "set_image", map[string]any{"image": ref})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"filename": "a.png", "size": 100_000.0}
		if diff := cmp.Diff(want, reply.Data); diff != "" {
			t.Errorf("reply (-want +got):\n%s", diff)
		}
	})

	t.Run("end", func(t *testing.T) {
		if err := s.End(within(t)); err != nil {
			t.Fatal(err)
		}
		r.journal(t, func(e entry) bool { return e.Event == "cleanup_complete" })
		if got := r.state(t); got != "ready" {
			t.Errorf("the runtime is %s, want ready", got)
		}
	})
}

// The runtime's wheel encodes these three, and no H.264 or H.265.
func TestPictures(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9", "av1"} {
		t.Run(codec, func(t *testing.T) {
			r := serve(t, "mirror")
			s := connect(t, r, sdk.Config{Codecs: []string{codec}})
			frames, err := ingest.Open(within(t), s, "main_video")
			if err != nil {
				t.Fatal(err)
			}
			defer frames.Close()

			see(t, frames, "the lamp at 100", func(f *pipeline.Frame) bool { return near(left(t, f), 100) })
			if _, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": 2}); err != nil {
				t.Fatal(err)
			}
			see(t, frames, "the lamp at 200", func(f *pipeline.Frame) bool { return near(left(t, f), 200) })
		})
	}
}

// see reads frames up to one that the condition holds for.
func see(t *testing.T, frames *ingest.Frames, what string, holds func(*pipeline.Frame) bool) {
	t.Helper()
	ctx := within(t)
	for n := 1; frames.Next(ctx); n++ {
		if f := frames.Frame(); holds(f) {
			t.Logf("%s in picture %d, %dx%d", what, n, f.Width, f.Height)
			return
		}
	}
	t.Fatalf("%s was never seen: %v", what, frames.Err())
}

// left is the mean of the left half of a picture, 0 to 255.
func left(t *testing.T, f *pipeline.Frame) float64 {
	t.Helper()
	m, err := mat.View(f)
	if err != nil {
		t.Fatal(err)
	}
	half := m.Region(image.Rect(0, 0, m.Cols()/2-16, m.Rows()))
	defer half.Close()
	return half.Mean().Val1
}

// near allows for what a lossy codec does to a plain surface.
func near(got, want float64) bool { return got > want-5 && got < want+5 }

func TestLeaveAndAdopt(t *testing.T) {
	r := serve(t, "mirror")
	first := connect(t, r, sdk.Config{})
	if err := first.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // who only joined a session does not end it
		joined := connect(t, r, sdk.Config{SessionID: first.ID()})
		if _, err := joined.Command(within(t), "look", nil); err != nil {
			t.Error(err)
		}
		if err := joined.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSessionEndedByTheServer(t *testing.T) {
	r := serve(t, "mirror")
	s := connect(t, r, sdk.Config{})
	events := s.Events(within(t))
	resp, err := http.Post(r.url+"/stop_session", "application/json", strings.NewReader(`{"reason": "closing time"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the session goes on")
	}
	if err := s.Err(); !errors.Is(err, sdk.ErrSessionEnded) {
		t.Errorf("it ended with %v, want ErrSessionEnded", err)
	}
	var reasons []string
	for e := range events {
		if e.Type == sdk.EventSessionEnded {
			reasons = append(reasons, e.Reason)
		}
	}
	if want := []string{"closing time"}; !slices.Equal(reasons, want) {
		t.Errorf("the reasons told are %q, want %q", reasons, want)
	}
}

// The published build of the runtime knows no H.264.
func TestNoCommonCodec(t *testing.T) {
	r := serve(t, "mirror")
	_, err := sdk.Connect(within(t), sdk.Config{BaseURL: r.url, Local: true, Codecs: []string{"h264"}})
	if !errors.Is(err, sdk.ErrNoCodec) {
		t.Fatalf("%v, want ErrNoCodec", err)
	}
	if !strings.Contains(err.Error(), "main_video") || !strings.Contains(err.Error(), "h264") {
		t.Errorf("%v: names neither track nor codec", err)
	}
	r.journal(t, func(e entry) bool { return e.Event == "cleanup_complete" })
}
