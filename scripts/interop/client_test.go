package interop

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// simulate starts reactorpipe's own model server and waits until it is ready.
func simulate(t *testing.T, args ...string) (url string) {
	t.Helper()
	addr := "127.0.0.1:" + freePort(t)
	p := start(t, t.TempDir(), nil, "", reactorpipe(t), append([]string{"sim", "--addr", addr}, args...)...)
	p.until(t, "healthy", func() bool {
		resp, err := http.Get("http://" + addr + "/health")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // its status says it
		return resp.StatusCode == http.StatusOK
	})
	return "http://" + addr
}

// line is what client.py says of one step.
type line struct {
	Tracks    []map[string]string
	Reply     map[string]any
	Refused   string
	Message   map[string]any
	Frames    int
	Width     int
	Height    int
	Left      float64
	UserData  string `json:"user_data"`
	Published int
	Status    string
	Bytes     int
	Head      string
	Segments  int
	Received  int
	Commands  []string
	Paused    []string
	Turn      int
	Failed    *string
	Outputs   map[string][][]any
}

// drive has the published Python client carry out a script, and returns what
// it said, a line for each step and one for the session before and after.
func drive(t *testing.T, url, model, script string, args ...string) []line {
	t.Helper()
	p := start(t, ".", []string{"PYTHONDONTWRITEBYTECODE=1"}, script, python(t), append([]string{"client.py", url, model}, args...)...)
	if code := p.wait(t, time.Minute); code != 0 {
		t.Fatalf("the client's exit code is %d", code)
	}
	var said []line
	for text := range strings.Lines(p.stdout.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		said = append(said, l)
	}
	return said
}

func byName(tracks []map[string]string) []map[string]string {
	slices.SortFunc(tracks, func(a, b map[string]string) int { return strings.Compare(a["name"], b["name"]) })
	return tracks
}

func TestClient(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9"} {
		t.Run(codec, func(t *testing.T) {
			python(t)
			url := simulate(t, "--codec", codec, "--width", "320", "--height", "240", "--command", "use_image")
			said := drive(t, url, "sim", `[
				{"receive": 15},
				{"command": "set_prompt", "data": {"prompt": "rain"}},
				{"command": "set_prompt", "data": {"prompt": 7}},
				{"command": "nonesuch"},
				{"command": "set_brightness", "data": {"brightness": 0}},
				{"receive": 30},
				{"publish": "source", "frames": 45},
				{"message": "state", "at_least": {"input_frames": 10}},
				{"upload": "a.png", "mime_type": "image/png", "size": 70000, "command": "use_image", "argument": "image"},
				{"reconnect": true},
				{"receive": 5}
			]`)
			if len(said) != 13 {
				t.Fatalf("%d lines, want 13: %+v", len(said), said)
			}
			first, said := said[0], said[1:]
			want := []map[string]string{
				{"name": "main_audio", "kind": "audio", "direction": "recvonly"},
				{"name": "main_video", "kind": "video", "direction": "recvonly"},
				{"name": "mic", "kind": "audio", "direction": "sendonly"},
				{"name": "source", "kind": "video", "direction": "sendonly"},
			}
			if diff := cmp.Diff(want, byName(first.Tracks)); diff != "" {
				t.Errorf("tracks (-want +got):\n%s", diff)
			}
			if said[0].Width != 320 || said[0].Height != 240 {
				t.Errorf("the picture is %dx%d, want 320x240", said[0].Width, said[0].Height)
			}
			accepted := map[string]any{"type": "prompt_accepted", "data": map[string]any{"prompt": "rain"}}
			if diff := cmp.Diff(accepted, said[1].Reply); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			if !strings.HasSuffix(said[2].Refused, "(invalid_command): expected string, got float") {
				t.Errorf("a number for a prompt: %q", said[2].Refused)
			}
			if !strings.HasSuffix(said[3].Refused, "(invalid_command): unknown command") {
				t.Errorf("a command that is not there: %q", said[3].Refused)
			}
			if said[4].Refused != "" || said[4].Reply != nil {
				t.Errorf("a setter: %+v, want a bare acknowledgement", said[4])
			}
			if before, after := said[0].Left, said[5].Left; before < 60 || after > before*2/3 {
				t.Errorf("the picture went from %v to %v, want it darkened", before, after)
			}
			if said[8].Refused != "" {
				t.Errorf("a file: %q", said[8].Refused)
			}
			if said[9].Status != "ready" || said[10].Frames <= said[5].Frames {
				t.Errorf("after the reconnect: %+v, %+v", said[9], said[10])
			}
			if last := said[11].Status; last != "disconnected" {
				t.Errorf("it ended %s, want disconnected", last)
			}
		})
	}
}

// The published client takes a clip from the program, and reads statistics.
func TestClientTakesAClip(t *testing.T) {
	python(t)
	url := simulate(t, "--codec", "vp9", "--width", "320", "--height", "240", "--record", "--record-chunk", "500ms")
	said := drive(t, url, "sim", `[{"receive": 60}, {"clip": 1}, {"stats": true}]`)
	if len(said) != 5 {
		t.Fatalf("%d lines, want 5: %+v", len(said), said)
	}
	if clip := said[2]; clip.Head != "ftyp" || clip.Segments < 2 || clip.Refused != "" {
		t.Errorf("a clip: %+v", clip)
	}
	if said[3].Received == 0 {
		t.Error("the client counted no packets")
	}
}

// The published client steps the program.
func TestClientStepsTheProgram(t *testing.T) {
	python(t)
	url := simulate(t, "--pattern", "gray", "--width", "64", "--height", "48", "--steps", "2")
	said := drive(t, url, "sim", `[
		{"turn": {}},
		{"turn": {"state": {"brightness": 0}}},
		{"turn": {"state": {"brightness": 3}}}
	]`, "stepped")
	if len(said) != 5 {
		t.Fatalf("%d lines, want 5: %+v", len(said), said)
	}
	size := []any{48.0, 64.0, 3.0}
	for i, want := range [][][]any{
		{{size, 128.0, `{"frame":0}`}, {size, 128.0, `{"frame":1}`}},
		{{size, 0.0, `{"frame":2}`}, {size, 0.0, `{"frame":3}`}},
	} {
		if diff := cmp.Diff(want, said[i+1].Outputs["main_video"]); diff != "" || said[i+1].Turn != i+1 {
			t.Errorf("step %d is number %d (-want +got):\n%s", i+1, said[i+1].Turn, diff)
		}
	}
	if want := "step: [step_refused] step refused: state.brightness is refused: brightness: 3.0 > le(2.0)"; said[3].Refused != want {
		t.Errorf("got %q, want %q", said[3].Refused, want)
	}
}

// The published client meets a stand-in that sends what is encoded already.
func TestClientOfALoop(t *testing.T) {
	python(t)
	loop := filepath.Join(t.TempDir(), "loop.webm")
	out, err := exec.Command("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=2",
		"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", loop).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	schema, err := filepath.Abs("../../sdk/gen/testdata/helios/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	url := simulate(t, "--loop", loop, "--schema", schema)
	said := drive(t, url, "helios", `[
		{"receive": 30},
		{"command": "set_prompt", "data": {"prompt": "fog"}},
		{"command": "set_image_strength", "data": {"image_strength": 2}},
		{"message": "state"}
	]`)
	if len(said) != 6 {
		t.Fatalf("%d lines, want 6: %+v", len(said), said)
	}
	if seen := said[1]; seen.Width != 320 || seen.Height != 240 || !strings.HasPrefix(seen.UserData, `{"frame":`) {
		t.Errorf("the picture: %+v", seen)
	}
	accepted := map[string]any{"type": "prompt_accepted", "data": map[string]any{"prompt": "fog"}}
	if diff := cmp.Diff(accepted, said[2].Reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	if !strings.Contains(said[3].Refused, "invalid_command") {
		t.Errorf("beyond the bounds: %q", said[3].Refused)
	}
}
