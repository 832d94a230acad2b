package sessiontest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// stepped serves a stepped session of the model and connects to it.
func stepped(t *testing.T, cfg sessiontest.Config, body string) (*sessiontest.Server, *client) {
	t.Helper()
	cfg.Model = sessiontest.StepModel()
	srv := sessiontest.NewConfig(t, cfg)
	want(t, 200, nil, "POST", srv.URL()+"/start_session", body)
	return srv, connect(t, srv, clientConfig{})
}

const startStepped = `{"generation":"stepped","session_id":"0a1b2c3d-0000-4000-8000-000000000001"}`

// request asks for a step and waits for its result.
func (c *client) step(request *wire.RequestStep) *wire.StepResult {
	c.t.Helper()
	c.next++
	id := fmt.Sprintf("data_%d", c.next)
	c.send(&wire.DataClientMessage{RequestId: id, Kind: 1, Payload: &wire.DataClientMessage_RequestStep{RequestStep: request}})
	for {
		if m := take(c.t, c.data, "result of a step"); m.GetRequestId() == id {
			return m.GetStepResult()
		}
	}
}

// stepRequest is a request with a state and commands.
func stepRequest(t *testing.T, state map[string]any, commands ...*wire.Command) *wire.RequestStep {
	t.Helper()
	s, err := wire.NewStruct(state)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.RequestStep{State: s, Commands: commands}
}

func command(t *testing.T, name string, args map[string]any) *wire.Command {
	t.Helper()
	s, err := wire.NewStruct(args)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Command{Type: name, Data: s}
}

func webcam(frames ...*wire.Frame) *wire.RequestStep {
	return &wire.RequestStep{MediaInput: []*wire.TrackFrames{{Track: "webcam", Frames: frames}}}
}

func h264(data []byte) *wire.Frame {
	return &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_H264, Data: data}
}

func raw(dtype string, size int, shape ...uint32) *wire.Frame {
	return &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_RAW, Dtype: dtype, Shape: shape, Data: make([]byte, size)}
}

func TestStep(t *testing.T) {
	_, c := stepped(t, sessiontest.Config{}, startStepped)
	r := c.step(stepRequest(t, map[string]any{"frames": 2, "size": 16}, command(t, "say", map[string]any{"text": "hi"})))
	if r.GetStep() != 1 || r.Error != nil || len(r.GetTracks()) != 2 {
		t.Fatalf("got %v", r)
	}
	picture := r.GetTracks()[0]
	if picture.GetTrack() != "main_video" || picture.GetRate() != 24 || len(picture.GetFrames()) != 2 {
		t.Errorf("got %d pictures of %s at %v", len(picture.GetFrames()), picture.GetTrack(), picture.GetRate())
	}
	second := picture.GetFrames()[1]
	if got := string(second.GetMetadata()); got != `{"i":1,"n":1}` || len(second.GetData()) != 16*16*3 {
		t.Errorf("the second picture has %s and %d bytes", got, len(second.GetData()))
	}
	sound := r.GetTracks()[1]
	if diff := cmp.Diff([]uint32{1, 4000}, sound.GetFrames()[0].GetShape()); diff != "" || sound.GetRate() != 48000 {
		t.Errorf("the sound at %v: %s", sound.GetRate(), diff)
	}
	if next := c.step(&wire.RequestStep{}); next.GetStep() != 2 {
		t.Errorf("the second step is %d", next.GetStep())
	}
}

// What a step says comes before its result.
func TestStepMessagesComeFirst(t *testing.T) {
	_, c := stepped(t, sessiontest.Config{}, startStepped)
	c.send(&wire.DataClientMessage{RequestId: "data_1", Kind: 1, Payload: &wire.DataClientMessage_RequestStep{
		RequestStep: stepRequest(t, nil, command(t, "say", map[string]any{"text": "hi"})),
	}})
	var got []string
	for range 3 {
		m := take(t, c.data, "message")
		got = append(got, m.GetMessage().GetType()+m.GetRequestId())
	}
	if diff := cmp.Diff([]string{"echoed", "prog", "data_1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestStepRefusals(t *testing.T) {
	loop := sessiontest.H264Clip().Frames
	_, c := stepped(t, sessiontest.Config{UploadTimeout: 1}, startStepped)
	upload := map[string]any{"text": map[string]any{"upload_id": "x"}}
	tests := []struct {
		name    string
		request *wire.RequestStep
		kind    wire.StepFailureCode
		entry   string
		want    string
	}{
		{"range", stepRequest(t, map[string]any{"frames": 0}), 1, "state.frames", "state.frames is refused: frames: 0.0 < ge(1)"},
		{"state", stepRequest(t, map[string]any{"nope": 1}), 1, "state.nope", "state.nope is refused: set_nope: unknown command"},
		{"command", stepRequest(t, nil, command(t, "say", nil), command(t, "bogus", nil)), 1, "commands[1]", "commands[1] is refused: bogus: unknown command"},
		{"upload", stepRequest(t, nil, command(t, "say", upload)), 1, "commands[0]", "commands[0] references an unresolved upload"},
		{"track", &wire.RequestStep{MediaInput: []*wire.TrackFrames{{Track: "x"}}}, 1, "media_input[0]", "media_input[0] names 'x', which is not an input track of the model"},
		{"twice", &wire.RequestStep{MediaInput: []*wire.TrackFrames{{Track: "mic"}, {Track: "mic"}}}, 1, "media_input[1]", "media_input[1] names 'mic' a second time"},
		{"kind", &wire.RequestStep{MediaInput: []*wire.TrackFrames{{Track: "mic", Kind: 1}}}, 1, "media_input[0]", "media_input[0] says 'mic' is not a audio track"},
		{"dtype", webcam(raw("x", 6, 1, 2, 3)), 1, "media_input[0]", "media_input[0].frames[0]: a raw video frame is uint8, not 'x'"},
		{"shape", webcam(raw("uint8", 6, 1, 0, 3)), 1, "media_input[0]", "media_input[0].frames[0]: a raw video frame has 3 non-zero dimensions, got shape [1, 0, 3]"},
		{"bytes", webcam(raw("uint8", 5, 1, 2, 3)), 1, "media_input[0]", "media_input[0].frames[0]: a raw video frame of shape [1, 2, 3] is 6 bytes, got 5"},
		{"encoding", webcam(&wire.Frame{Encoding: 9}), 1, "media_input[0].frames[0]", "frame encoding 9 is not supported"},
		{"too many", webcam(make([]*wire.Frame, 129)...), 1, "media_input[0]", "media_input[0] holds 129 frames for 'webcam', whose input buffer holds 128 frames"},
		{"no keyframe", webcam(h264(loop[1])), 1, "media_input[0].frames[0]", "a track's H.264 frames must start at a keyframe (an IDR access unit)"},
		{"no picture", webcam(h264(loop[0][:8])), 1, "media_input[0].frames[0]", "the H.264 frame holds no picture; each frame is one access unit"},
		{"two units", webcam(h264(append(append([]byte{}, loop[0]...), loop[1]...))), 1, "media_input[0].frames[0]", "the H.264 frame holds more than one access unit; each frame is one access unit"},
		{"size", webcam(&wire.Frame{Encoding: 2, Shape: []uint32{48, 32, 3}, Data: loop[0]}), 1, "media_input[0].frames[0]", "the H.264 frame decodes to [120, 160, 3], not the [48, 32, 3] it declares"},
		{"no data", webcam(h264(nil)), 1, "media_input[0].frames[0]", "an H.264 frame carries no data"},
		{"failing command", stepRequest(t, nil, command(t, "say", nil), command(t, "fail", map[string]any{"code": "quota"})), 5, "commands[1]", "fail failed (quota): nope: quota"},
		{"refusing model", stepRequest(t, map[string]any{"mode": "refuse"}), 1, "", "no step while refusing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := c.step(tt.request)
			if r.GetError() != tt.want || r.GetEntry() != tt.entry || r.GetFailureCode() != tt.kind || r.GetStep() != 0 {
				t.Errorf("got %v, want %q of %q", r, tt.want, tt.entry)
			}
		})
	}
	if r := c.step(stepRequest(t, map[string]any{"mode": "fail"})); r.GetStep() != 1 || r.GetFailureCode() != 3 || r.GetError() != "gen failed" {
		t.Errorf("a step that fails: %v", r)
	}
	if r := c.step(stepRequest(t, map[string]any{"mode": "normal", "frames": 200, "size": 400})); r.GetStep() != 2 || r.GetFailureCode() != 4 || len(r.GetTracks()) != 0 {
		t.Errorf("a step that is too large: %v", r)
	}
}

// Frames of a step that the model refuses wait for the next.
func TestRefusedFramesStay(t *testing.T) {
	_, c := stepped(t, sessiontest.Config{}, startStepped)
	request := webcam(raw("uint8", 6, 1, 2, 3))
	request.State = stepRequest(t, map[string]any{"mode": "refuse"}).GetState()
	c.step(request)
	r := c.step(stepRequest(t, map[string]any{"mode": "echo"}))
	if got := len(r.GetTracks()[0].GetFrames()); got != 1 {
		t.Errorf("%d frames came out", got)
	}
}

func TestStepsNeedTheirSession(t *testing.T) {
	streamed := sessiontest.New(t, sessiontest.StepModel())
	start(t, streamed)
	plain := sessiontest.New(t, sessiontest.StepModel())
	want(t, 200, nil, "POST", plain.URL()+"/start_session", startStepped)
	_, limited := stepped(t, sessiontest.Config{}, `{"generation":"stepped","steps":1}`)
	limited.step(&wire.RequestStep{})
	for _, tt := range []struct {
		name string
		c    *client
		want string
	}{
		{"streamed", connect(t, streamed, clientConfig{}), "this session is not stepped; start it with generation 'stepped' to request steps"},
		{"no chunking", connect(t, plain, clientConfig{plain: true}), "this connection cannot carry a step's result; a stepped session needs a WebRTC connection that negotiated data-channel chunking"},
		{"limit", limited, "the session already took its 1 steps"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.c.step(&wire.RequestStep{}).GetError(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStartRefusals(t *testing.T) {
	srv := sessiontest.New(t, sessiontest.StepModel())
	for _, tt := range []struct{ body, want string }{
		{`{"generation":"x"}`, "generation must be one of 'streamed', 'stepped', not 'x'"},
		{`{"steps":true}`, "steps must be a positive integer"},
		{`{"steps":0}`, "steps must be a positive integer"},
		{`{"steps":1.5}`, "steps must be a positive integer"},
		{`{"steps":10001}`, "steps must be at most 10000"},
		{`{"starting_input":[]}`, "starting_input must be an object"},
		{`{"starting_input":{"foo":1}}`, "starting_input has unknown keys ['foo']; expected 'state' and 'commands'"},
		{`{"starting_input":{"state":1}}`, "starting_input.state must be an object"},
		{`{"starting_input":{"commands":1}}`, "starting_input.commands must be a list"},
		{`{"starting_input":{"commands":[1]}}`, "starting_input.commands[0] must be an object"},
		{`{"starting_input":{"commands":[{"x":1}]}}`, "starting_input.commands[0] has unknown keys ['x']; expected 'command' and 'data'"},
		{`{"starting_input":{"commands":[{"command":""}]}}`, "starting_input.commands[0].command must be a non-empty string"},
		{`{"starting_input":{"commands":[{"command":"say","data":1}]}}`, "starting_input.commands[0].data must be an object"},
		{`{"starting_input":{"state":{"frames":500}}}`, "starting_input.state.frames is refused: frames: 500 > le(200)"},
		{`{"starting_input":{"state":{"nope":1}}}`, "starting_input.state.nope is refused: set_nope: unknown command"},
		{`{"starting_input":{"commands":[{"command":"say","data":{"x":1}}]}}`, "starting_input.commands[0] is refused: x: unexpected argument"},
	} {
		var got struct{ Detail string }
		want(t, 400, &got, "POST", srv.URL()+"/start_session", tt.body)
		if got.Detail != tt.want {
			t.Errorf("%s: got %q, want %q", tt.body, got.Detail, tt.want)
		}
	}
}

func TestStepResults(t *testing.T) {
	cfg := sessiontest.Config{StepResults: sessiontest.StepResults{Enabled: true}}
	srv, c := stepped(t, cfg, startStepped)
	r := c.step(stepRequest(t, map[string]any{"mode": "files", "frames": 3, "size": 41}))
	if got := len(r.GetFiles()); got != 1 {
		t.Errorf("%d files in the result", got)
	}
	srv.EndSessions("")
	steps := srv.URL() + "/sessions/0a1b2c3d-0000-4000-8000-000000000001/steps"
	want(t, 404, nil, "GET", srv.URL()+"/sessions/"+localID+"/steps", "")
	want(t, 404, nil, "GET", steps+"/2", "")
	want(t, 422, nil, "GET", steps+"/x", "")
	want(t, 404, nil, "GET", steps+"/1/result.json", "")
	var list struct{ Steps []int }
	want(t, 200, &list, "GET", steps, "")
	if diff := cmp.Diff([]int{1}, list.Steps); diff != "" {
		t.Error(diff)
	}
	var doc struct {
		Files []struct {
			Name string
			Size int
		}
		Usage []struct {
			Frames, Width, Height int
			FPS                   float64
		}
		Messages []struct{ Type string }
	}
	want(t, 200, &doc, "GET", steps+"/1", "")
	if len(doc.Files) != 2 || doc.Files[0].Name != "output.mp4" || len(doc.Messages) != 1 || len(doc.Usage) != 1 || doc.Usage[0].Width != 42 {
		t.Errorf("got %+v", doc)
	}
	status, header, film := request(t, "GET", steps+"/1/output.mp4", "")
	if status != 200 || header.Get("Content-Type") != "video/mp4" || len(film) != doc.Files[0].Size {
		t.Errorf("the film: %d %v, %d bytes", status, header, len(film))
	}
	checkFilm(t, film)
}

// A step that took next to no time has the rate of one that took a millisecond,
// in its result as in the film of it.
func TestStepsRateIsFinite(t *testing.T) {
	m := sessiontest.StepModel()
	m.Step = func(_ context.Context, s *sessiontest.Step) error {
		s.Elapsed = time.Nanosecond
		s.Emit("main_video", 0, sessiontest.Picture(2, 2, make([]byte, 12)), sessiontest.Picture(2, 2, make([]byte, 12)))
		return nil
	}
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, StepResults: sessiontest.StepResults{Enabled: true}})
	want(t, 200, nil, "POST", srv.URL()+"/start_session", startStepped)
	r := connect(t, srv, clientConfig{}).step(&wire.RequestStep{})
	var doc struct{ Usage []struct{ FPS float64 } }
	want(t, 200, &doc, "GET", srv.URL()+"/sessions/"+recordingID+"/steps/1", "")
	if got := r.GetTracks()[0].GetRate(); got != 2000 || doc.Usage[0].FPS != got {
		t.Errorf("the result says %v Hz, its film %v", got, doc.Usage[0].FPS)
	}
}

// checkFilm has ffmpeg decode a film of three pictures, where there is one.
func checkFilm(t *testing.T, film string) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		return
	}
	path := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, []byte(film), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-").Output()
	if err != nil || len(out) != 3*42*42 {
		t.Fatalf("ffmpeg: %v, %d bytes", err, len(out))
	}
	if strings.Count(string(out), string(out[:1])) != len(out) {
		t.Error("the pictures are not of one shade")
	}
}
