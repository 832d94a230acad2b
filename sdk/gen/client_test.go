package gen_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/brightness"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/echo"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/helios"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/lingbot"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func connect(t *testing.T, m sessiontest.Model) (*sessiontest.Server, *sdk.Session) {
	t.Helper()
	srv := sessiontest.New(t, m)
	s, err := sdk.Connect(t.Context(), sdk.Config{Local: true, BaseURL: srv.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return srv, s
}

func upload(t *testing.T, s *sdk.Session) sdk.FileRef {
	t.Helper()
	ref, err := s.Upload(t.Context(), strings.NewReader("png"), sdk.UploadInfo{Name: "a.png", Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestReplies(t *testing.T) {
	_, s := connect(t, brightnessModel())
	model := brightness.New(s)

	set, err := model.SetBrightness(t.Context(), 1.5)
	if err != nil || set != (brightness.BrightnessSet{Brightness: 1.5}) {
		t.Errorf("a reply: got %+v, %v", set, err)
	}
	image, err := model.SetImage(t.Context(), upload(t, s))
	if err != nil || image.Filename != "a.png" {
		t.Errorf("a file: got %+v, %v", image, err)
	}
	if err := model.SetResolution(t.Context(), brightness.Resolution720p); err != nil {
		t.Errorf("an acknowledgement: %v", err)
	}
	if err := model.SetPaused(t.Context(), true); !errors.Is(err, sdk.ErrRefused) {
		t.Errorf("a refusal: got %v", err)
	}
	_, err = model.GetState(t.Context())
	want := `command "get_state": answered with "weather", not a brightness.BrightnessSnapshot`
	if err == nil || err.Error() != want {
		t.Errorf("another reply: got %v, want %s", err, want)
	}
}

// What the schema forbids is not sent.
func TestChecks(t *testing.T) {
	_, s := connect(t, sessiontest.Model{}) // knows no command
	b, e, l := brightness.New(s), echo.New(s), lingbot.New(s)
	tests := []struct {
		name string
		call func(context.Context) error
		want string
	}{
		{"above", func(ctx context.Context) error { _, err := b.SetBrightness(ctx, 2.5); return err }, `command "set_brightness": brightness: 2.5 is above the maximum of 2`},
		{"below", func(ctx context.Context) error { return l.SetSeed(ctx, -1) }, `command "set_seed": seed: -1 is below the minimum of 0`},
		{"too long", func(ctx context.Context) error { return b.SetText(ctx, strings.Repeat("x", 201)) }, `command "set_text": text: length 201 is above the maximum of 200`},
		{"not of the set", func(ctx context.Context) error { return l.SetMovement(ctx, "up") }, `command "set_movement": movement: "up" is not one of ["idle","forward","back","strafe_left","strafe_right"]`},
		{"an option", func(ctx context.Context) error {
			return e.SetOverlayImage(ctx, sdk.FileRef{UploadID: "u"}, &echo.SetOverlayImageOptions{OverlayStrength: new(1.5)})
		}, `command "set_overlay_image": overlay_strength: 1.5 is above the maximum of 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(t.Context()); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// An option that is nil is left to the model.
func TestOptions(t *testing.T) {
	took := make(chan map[string]any, 3)
	_, s := connect(t, sessiontest.Model{Commands: []sessiontest.Command{{
		Name: "set_overlay_image",
		Args: []sessiontest.Arg{
			{Name: "overlay_image", Type: sessiontest.File()},
			{Name: "overlay_strength", Type: sessiontest.Number(), Optional: true},
		},
		Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
			delete(c.Args, "overlay_image")
			took <- c.Args
			return nil, nil
		},
	}}})
	image := upload(t, s)
	var got []map[string]any
	for _, opts := range []*echo.SetOverlayImageOptions{nil, {}, {OverlayStrength: new(0.0)}} {
		if err := echo.New(s).SetOverlayImage(t.Context(), image, opts); err != nil {
			t.Fatal(err)
		}
		got = append(got, <-took)
	}
	want := []map[string]any{{}, {}, {"overlay_strength": 0.0}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestMessages(t *testing.T) {
	srv, s := connect(t, sessiontest.Model{})
	messages := lingbot.New(s).Messages(t.Context())
	srv.Broadcast("state", map[string]any{"started": true, "current_chunk": 3.0, "current_prompt": nil, "movement": "back"})
	srv.Broadcast("state", map[string]any{"current_chunk": "three"})
	srv.Broadcast("news", map[string]any{"a": 1.0})
	srv.Broadcast("generation_reset", nil)
	var got []lingbot.Message
	var types []string
	for m, raw := range messages {
		got, types = append(got, m), append(types, raw.Type)
		if len(got) == 4 {
			break
		}
	}
	if diff := cmp.Diff(types, []string{"state", "state", "news", "generation_reset"}); diff != "" {
		t.Error(diff)
	}
	if want := (lingbot.State{Started: true, CurrentChunk: 3, Movement: lingbot.MovementBack}); got[0] != want {
		t.Errorf("a message: got %+v, want %+v", got[0], want)
	}
	misfit, _ := got[1].(lingbot.Other)
	want := "message state: json: cannot unmarshal string into Go struct field State.current_chunk of type int"
	if misfit.Err == nil || misfit.Err.Error() != want {
		t.Errorf("one that does not fit: got %v, want %s", misfit.Err, want)
	}
	if unknown, ok := got[2].(lingbot.Other); !ok || unknown.Err != nil || unknown.Data["a"] != 1.0 {
		t.Errorf("one that is unknown: got %#v", got[2])
	}
	if got[3] != (lingbot.GenerationReset{}) {
		t.Errorf("one without fields: got %#v", got[3])
	}
}

// A nil argument that may be null is null.
func TestNull(t *testing.T) {
	took := make(chan any, 2)
	_, s := connect(t, sessiontest.Model{Commands: []sessiontest.Command{{
		Name: "save_snapshot", Args: []sessiontest.Arg{{Name: "name", Type: sessiontest.String().OrNull()}},
		Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
			took <- c.Args["name"]
			return &sessiontest.Message{Type: "snapshot_saved", Data: map[string]any{"name": "a", "chunk": 1.0}}, nil
		},
	}}})
	var got []any
	for _, name := range []*string{nil, new("b")} {
		if _, err := helios.New(s).SaveSnapshot(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		got = append(got, <-took)
	}
	if diff := cmp.Diff(got, []any{nil, "b"}); diff != "" {
		t.Error(diff)
	}
}
