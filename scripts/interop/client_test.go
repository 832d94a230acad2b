package interop

import (
	"encoding/json"
	"io"
	"net/http"
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
				{"name": "main_video", "kind": "video", "direction": "recvonly"},
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
			if before, after := said[0].Left, said[5].Left; before < 60 || after > 40 {
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
