package sim

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
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

// small is a model that costs little.
func small() Config { return Config{Width: 160, Height: 120} }

func serve(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Serve(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func connect(t *testing.T, s *Server, cfg sdk.Config) *sdk.Session {
	t.Helper()
	cfg.BaseURL, cfg.Local = s.URL(), true
	session, err := sdk.Connect(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() }) // the server may be gone first
	return session
}

// viewer looks at the model's picture.
type viewer struct {
	t      *testing.T
	frames *ingest.Frames
}

func watch(t *testing.T, session *sdk.Session, track string) *viewer {
	t.Helper()
	frames, err := ingest.Open(within(t), session, track)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := frames.Close(); err != nil {
			t.Error(err)
		}
	})
	return &viewer{t, frames}
}

// next returns the next picture.
func (v *viewer) next() *gocv.Mat {
	v.t.Helper()
	if !v.frames.Next(within(v.t)) {
		v.t.Fatalf("no picture: %v", v.frames.Err())
	}
	m, err := mat.View(v.frames.Frame())
	if err != nil {
		v.t.Fatal(err)
	}
	return m
}

// colour is the mean of a picture, 0 to 255 each.
type colour struct{ red, green, blue float64 }

func (c colour) light() float64 { return (c.red + c.green + c.blue) / 3 }

func (v *viewer) colour() colour {
	v.t.Helper()
	mean := v.next().Mean()
	return colour{mean.Val3, mean.Val2, mean.Val1}
}

// until waits for a picture whose colour is as it should be.
func (v *viewer) until(want func(colour) bool) {
	v.t.Helper()
	var c colour
	n := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); n++ {
		if c = v.colour(); want(c) {
			return
		}
	}
	v.t.Fatalf("the picture stays %+v, %d of them", c, n)
}

func command(t *testing.T, s *sdk.Session, name string, args map[string]any) sdk.Reply {
	t.Helper()
	r, err := s.Command(within(t), name, args)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said waits for a message.
func said(t *testing.T, messages iter.Seq[sdk.Message], want func(sdk.Message) bool) sdk.Message {
	t.Helper()
	for m := range messages {
		if want(m) {
			return m
		}
	}
	t.Fatal("the model did not say it")
	return sdk.Message{}
}

func TestCodecs(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"vp8", "vp9", "h264", "H264", "av1"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			cfg := small()
			cfg.Codec = codec
			session := connect(t, serve(t, cfg), sdk.Config{Codecs: []string{"h264", "vp8", "av1", "vp9"}})
			track, err := session.Track("main_video")
			if err != nil {
				t.Fatal(err)
			}
			p, err := track.ReadRTP(within(t))
			if err != nil || p.Codec != strings.ToLower(codec) {
				t.Errorf("got codec %s, %v", p.Codec, err)
			}
			v := watch(t, session, "main_video")
			for range 3 {
				if m := v.next(); m.Cols() != 160 || m.Rows() != 120 {
					t.Errorf("got %d×%d", m.Cols(), m.Rows())
				}
			}
		})
	}
}

func TestCommandsChangeThePicture(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, small()), sdk.Config{})
	v := watch(t, session, "main_video")
	first := v.colour()
	like := func(c colour) bool { return abs(c.light()-first.light()) < 15 }
	if !like(v.colour()) {
		t.Fatal("the picture changes by itself")
	}
	tests := []struct {
		command string
		args    map[string]any
		want    func(colour) bool
	}{
		{"set_brightness", map[string]any{"brightness": 0.2}, func(c colour) bool { return c.light() < first.light()/2 }},
		{"set_tint", map[string]any{"tint": "red", "strength": 0.9}, func(c colour) bool { return c.red > 180 && c.blue < 60 }},
		{"set_tint", map[string]any{"tint": "green"}, func(c colour) bool { return c.green > c.red+30 && c.green > c.blue+30 }},
		{"set_prompt", map[string]any{"prompt": "a street in the snow"}, func(c colour) bool { return c.light() > first.light()+15 }},
		{"set_prompt", map[string]any{"prompt": "a street at Night"}, func(c colour) bool { return c.light() < first.light()-15 && c.blue > c.red }},
	}
	for _, tt := range tests {
		command(t, session, tt.command, tt.args)
		t.Logf("%s %v, first %+v", tt.command, tt.args, first)
		v.until(tt.want)
		command(t, session, "reset", nil)
		v.until(like)
	}
}

func abs(x float64) float64 { return max(x, -x) }

func TestCaption(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, small()), sdk.Config{})
	v := watch(t, session, "main_video")
	// A dark corner: the last bar of the pattern is white there.
	dark := func() bool { return v.next().GetUCharAt(118, 3*155) < 60 }
	if dark() {
		t.Fatal("there is a caption already")
	}
	command(t, session, "set_caption", map[string]any{"caption": "hello"})
	for deadline := time.Now().Add(patience); !dark(); {
		if time.Now().After(deadline) {
			t.Fatal("there is no caption")
		}
	}
}

func TestPromptIsAnswered(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, small()), sdk.Config{})
	r := command(t, session, "set_prompt", map[string]any{"prompt": "rain"})
	if r.Type != "prompt_accepted" || r.Data["prompt"] != "rain" {
		t.Errorf("got %+v", r)
	}
	_, err := session.Command(within(t), "make_coffee", nil)
	if !errors.Is(err, sdk.ErrRefused) {
		t.Errorf("an unknown command: %v", err)
	}
	_, err = session.Command(within(t), "set_brightness", map[string]any{"brightness": 3})
	if !errors.Is(err, sdk.ErrRefused) {
		t.Errorf("a wrong argument: %v", err)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	const delay = 600 * time.Millisecond
	cfg := small()
	cfg.Delay = delay
	session := connect(t, serve(t, cfg), sdk.Config{})
	v := watch(t, session, "main_video")
	v.next()
	sent := time.Now()
	command(t, session, "set_brightness", map[string]any{"brightness": 0})
	v.until(func(c colour) bool { return c.light() < 10 })
	if took := v.frames.Frame().Arrival.Sub(sent); took < delay {
		t.Errorf("the effect is seen after %v, want %v", took, delay)
	}
}

func TestInputIsCounted(t *testing.T) {
	t.Parallel()
	s := serve(t, small())
	session := connect(t, s, sdk.Config{})
	messages := session.Messages(within(t))
	track, err := session.Track("source")
	if err != nil {
		t.Fatal(err)
	}
	p, err := track.Publish(within(t), sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		t.Fatal(err)
	}
	const sent = 20
	for i, frame := range sessiontest.VP8Clip().Frames[:sent] {
		if err := p.WriteSample(sdk.Sample{Data: frame, PTS: time.Duration(i) * time.Second / 30}); err != nil {
			t.Fatal(err)
		}
	}
	said(t, messages, func(m sdk.Message) bool {
		n, _ := m.Data["input_frames"].(float64)
		return m.Type == "state" && n > 0
	})
	if n := s.InputFrames(); n == 0 || n > sent {
		t.Errorf("%d pictures came, %d were sent", n, sent)
	}
}

func TestOpenSurface(t *testing.T) {
	t.Parallel()
	cfg := small()
	cfg.Surface = Surface{
		Outputs: []string{"front", "back"}, Inputs: []string{"camera"},
		Commands: []string{"steer", "set_prompt"}, Messages: []string{"steered", "state"},
	}
	session := connect(t, serve(t, cfg), sdk.Config{})
	var tracks []string
	for _, info := range session.Capabilities().Tracks {
		tracks = append(tracks, info.Name+" "+info.Direction)
	}
	slices.Sort(tracks)
	if diff := cmp.Diff([]string{"back recvonly", "camera sendonly", "front recvonly"}, tracks); diff != "" {
		t.Errorf("tracks (-want +got):\n%s", diff)
	}
	messages := session.Messages(within(t))
	args := map[string]any{"angle": 12.5, "to": []any{"left", true}, "deep": map[string]any{"x": nil}}
	if r := command(t, session, "steer", args); r.Type != "" {
		t.Errorf("got %+v", r)
	}
	m := said(t, messages, func(m sdk.Message) bool { return m.Type == "steered" })
	if diff := cmp.Diff(args, m.Data); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	command(t, session, "set_prompt", map[string]any{"prompt": 7}) // as open as the others
	for _, name := range []string{"front", "back"} {
		if m := watch(t, session, name).next(); m.Cols() != 160 {
			t.Errorf("%s: %d wide", name, m.Cols())
		}
	}
}

// encoders makes encoders that count, and fail when they are told to.
type encoders struct {
	made     atomic.Int32
	failures atomic.Int32 // to come
}

func (e *encoders) make(c encode.Config) (encode.Encoder, error) {
	e.made.Add(1)
	real, err := ffmpeg.New(c)
	return &encoder{real, e}, err
}

type encoder struct {
	encode.Encoder
	of *encoders
}

func (e *encoder) Encode(img pipeline.Image, pts time.Duration, keyframe bool) ([]encode.Packet, error) {
	if e.of.failures.Add(-1) >= 0 {
		return nil, errors.New("no luck")
	}
	return e.Encoder.Encode(img, pts, keyframe)
}

// While nobody watches, nothing is drawn or encoded.
func TestNobodyWatches(t *testing.T) {
	t.Parallel()
	var made encoders
	cfg := small()
	cfg.newEncoder = made.make
	session := connect(t, serve(t, cfg), sdk.Config{NoAutoResume: true})
	m := said(t, session.Messages(within(t)), func(m sdk.Message) bool { return m.Type == "state" })
	if n := m.Data["current_frame"]; n != 0.0 {
		t.Errorf("%v pictures were made for nobody", n)
	}
	if n := made.made.Load(); n != 0 {
		t.Errorf("%d encoders were made for nobody", n)
	}
}

// A picture that cannot be encoded is missing, and the show goes on.
func TestEncoderFails(t *testing.T) {
	t.Parallel()
	var made encoders
	var log pipetest.Log
	cfg := small()
	cfg.newEncoder = made.make
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	v := watch(t, connect(t, serve(t, cfg), sdk.Config{}), "main_video")
	v.next()
	made.failures.Store(5)
	for made.failures.Load() > 0 {
		v.next()
	}
	for range 5 {
		v.next()
	}
	if n := made.made.Load(); n != 6 {
		t.Errorf("%d encoders made, want a new one for each failure", n)
	}
	if n := strings.Count(log.String(), "picture not shown"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, Config{Clip: "../../configs/street.mp4", Width: 192, Height: 144}), sdk.Config{})
	v := watch(t, session, "main_video")
	for range 5 {
		if m := v.next(); m.Cols() != 192 || m.Rows() != 144 {
			t.Errorf("got %d×%d", m.Cols(), m.Rows())
		}
	}
}

// A clip of an odd size, and of one picture: it is shown over and over.
func TestOddClip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd.png")
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 0, 200, 0), 121, 161, gocv.MatTypeCV8UC3)
	defer m.Close()
	if !gocv.IMWrite(path, m) {
		t.Fatal("no picture written")
	}
	v := watch(t, connect(t, serve(t, Config{Clip: path}), sdk.Config{}), "main_video")
	for range 5 {
		c := v.colour()
		if f := v.frames.Frame(); f.Width != 160 || f.Height != 120 {
			t.Errorf("got %d×%d", f.Width, f.Height)
		}
		if c.red < 150 || c.blue > 50 {
			t.Errorf("got %+v, want red", c)
		}
	}
}

// A clip goes on at its own speed, over its end, but not while nobody asks.
func TestClipTime(t *testing.T) {
	c, err := openClip("../../configs/street.mp4") // 20 s at 10 fps
	if err != nil {
		t.Fatal(err)
	}
	canvas, err := mat.New(768, 576)
	if err != nil {
		t.Fatal(err)
	}
	defer canvas.Close()
	defer c.Close()
	for _, tt := range []struct{ at, want time.Duration }{
		{0, 0},
		{250 * time.Millisecond, 200 * time.Millisecond},
		{290 * time.Millisecond, 200 * time.Millisecond},
		{900 * time.Millisecond, 900 * time.Millisecond},
		{time.Hour, 900 * time.Millisecond},
		{time.Hour + 200*time.Millisecond, 1100 * time.Millisecond},
	} {
		if err := c.next(canvas, tt.at); err != nil {
			t.Fatal(err)
		}
		if got := c.queue[0].Unit.PTS; got != tt.want {
			t.Errorf("at %v: picture of %v, want %v", tt.at, got, tt.want)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"codec", Config{Codec: "h265"}, `codec: must be vp8, vp9, h264 or av1, got "h265"`},
		{"odd size", Config{Width: 161, Height: 120}, "width, height: must be even and not negative, got 161x120"},
		{"fps", Config{FPS: 1000}, "fps: must be 0 to 240, got 1000"},
		{"bitrate", Config{Bitrate: -1}, "bitrate: must not be negative, got -1"},
		{"loss", Config{Trouble: sessiontest.Trouble{Network: sessiontest.Network{Drop: 2}}}, "network: drop: must be 0 to 1, got 2"},
		{"sessions", Config{Sessions: -1}, "sessions: must not be negative, got -1"},
		{"loop", Config{Loop: "a.mp4", FPS: 25}, "loop: is sent as it is: clip, codec, width, height, fps and bitrate do not go with it"},
		{"a limit", Config{SessionLimit: -time.Second}, "session_limit: must not be negative, got -1s"},
		{"address", Config{Addr: "here"}, `addr: must be host:port, got "here"`},
		{"pattern", Config{Pattern: "plaid"}, `pattern: must be one of bars, gray, noise, ramp, got "plaid"`},
		{"pattern and clip", Config{Pattern: "bars", Clip: "a.mp4"}, "pattern: is shown in place of a clip or a loop"},
		{"steps", Config{StepFrames: 129}, "steps: must be 0 to 128, got 129"},
		{"steps of a loop", Config{StepFrames: 1, Loop: "a.mp4"}, "steps: draw their pictures: a loop does not go with them"},
		{"missing clip", Config{Clip: "none.mp4"}, "clip: open none.mp4: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Serve(t.Context(), tt.cfg)
			if !errors.Is(err, pipeline.ErrInvalid) || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// An address that is taken is trouble, but no mistake; nothing is left of it.
func TestServeWhereSomebodyServes(t *testing.T) {
	s := serve(t, small())
	cfg := small()
	cfg.Addr = strings.TrimPrefix(s.URL(), "http://")
	_, err := Serve(t.Context(), cfg)
	if err == nil || errors.Is(err, pipeline.ErrInvalid) || !strings.HasSuffix(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestClose(t *testing.T) {
	before := mat.Live()
	s := serve(t, Config{Clip: "../../configs/street.mp4", Width: 160, Height: 120})
	session := connect(t, s, sdk.Config{})
	frames, err := ingest.Open(within(t), session, "main_video")
	if err != nil {
		t.Fatal(err)
	}
	command(t, session, "set_tint", map[string]any{"tint": "blue"})
	if !frames.Next(within(t)) {
		t.Fatal(frames.Err())
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for frames.Next(within(t)) {
	}
	if err := errors.Join(frames.Err(), frames.Close()); err != nil {
		t.Errorf("the viewer: %v", err)
	}
	if n := mat.Live(); n > before {
		t.Errorf("%d pictures are left", n-before)
	}
}
