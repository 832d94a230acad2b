package interop

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// The published client fetches clips, reads statistics and the schema, and
// pauses, against the server of tests.
func TestClientFetchesAClip(t *testing.T) {
	python(t)
	srv := sessiontest.NewConfig(t, sessiontest.Config{
		Model: sessiontest.Model{
			Name:     "looped",
			Tracks:   []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
			Commands: []sessiontest.Command{{Name: "wave"}},
		},
		Recording: sessiontest.Recording{Enabled: true, Chunk: time.Second},
	})
	said := drive(t, srv.URL(), "looped", `[
		{"receive": 60},
		{"clip": 1.5},
		{"clip": "all"},
		{"stats": true},
		{"schema": true},
		{"pause": "main_video"},
		{"resume": "main_video"},
		{"receive": 5},
		{"clip": 0}
	]`)
	if len(said) != 11 {
		t.Fatalf("%d lines, want 11: %+v", len(said), said)
	}
	said = said[1:]
	for i, what := range map[int]string{1: "a clip", 2: "the recording"} {
		if said[i].Head != "ftyp" || said[i].Bytes < 1000 || said[i].Segments < 3 {
			t.Errorf("%s: %+v", what, said[i])
		}
	}
	if said[3].Received == 0 {
		t.Error("the client counted no packets")
	}
	if diff := cmp.Diff([]string{"/events/wave"}, said[4].Commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if len(said[5].Paused) != 1 || len(said[6].Paused) != 0 {
		t.Errorf("paused %v, then %v", said[5].Paused, said[6].Paused)
	}
	if said[8].Refused == "" {
		t.Errorf("a clip of nothing: %+v", said[8])
	}
}

func TestClientSteps(t *testing.T) {
	python(t)
	srv := sessiontest.New(t, sessiontest.StepModel())
	said := drive(t, srv.URL(), "steps", `[
		{"turn": {"state": {"size": 16, "frames": 2}}},
		{"turn": {"state": {"mode": "echo"}}, "frames": {"webcam": 2}},
		{"turn": {"state": {"nope": 1}}},
		{"turn": {"commands": [{"command": "fail", "data": {"code": "quota"}}]}},
		{"turn": {"state": {"mode": "fail"}}},
		{"reconnect": true},
		{"turn": {"state": {"mode": "silent"}}}
	]`, "stepped")
	if len(said) != 9 {
		t.Fatalf("%d lines, want 9: %+v", len(said), said)
	}
	said = said[1:]
	type outputs = map[string][][]any
	for i, tt := range []struct {
		turn int
		want outputs
	}{
		{1, outputs{"main_video": {
			{[]any{16.0, 16.0, 3.0}, 1.0, `{"i":0,"n":1}`}, {[]any{16.0, 16.0, 3.0}, 1.0, `{"i":1,"n":1}`},
		}}},
		{2, outputs{"main_video": {
			{[]any{16.0, 32.0, 3.0}, 0.0, "0"}, {[]any{16.0, 32.0, 3.0}, 1.0, "1"},
		}}},
	} {
		if diff := cmp.Diff(tt.want, said[i].Outputs); diff != "" || said[i].Turn != tt.turn {
			t.Errorf("step %d is number %d (-want +got):\n%s", i, said[i].Turn, diff)
		}
	}
	for i, want := range map[int]string{
		2: "step: [step_refused] step refused: state.nope is refused: set_nope: unknown command",
		3: "step: [step_command_failed] step command failed: fail failed (quota): nope: quota",
	} {
		if said[i].Refused != want {
			t.Errorf("got %q, want %q", said[i].Refused, want)
		}
	}
	if f := said[4].Failed; said[4].Turn != 3 || f == nil || *f != "gen failed" {
		t.Errorf("a step that fails: %+v", said[4])
	}
	if said[6].Turn != 4 {
		t.Errorf("after the reconnect: %+v", said[6])
	}
}
