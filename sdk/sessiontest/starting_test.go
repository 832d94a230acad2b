package sessiontest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

const recordingID = "0a1b2c3d-0000-4000-8000-000000000001"

func TestStartingInputComesFirst(t *testing.T) {
	_, c := stepped(t, sessiontest.Config{}, `{"generation":"stepped","starting_input":{"state":{"size":32,"frames":2},"commands":[{"command":"say"}]}}`)
	var d struct {
		Starting struct{ Applied int } `json:"starting_input"`
	}
	want(t, 200, &d, "GET", strings.TrimSuffix(c.url, "/sessions/"+localID+"/transport/webrtc")+"/session", "")
	if d.Starting.Applied != 3 {
		t.Errorf("%d calls applied, want 3", d.Starting.Applied)
	}
	r := c.step(&wire.RequestStep{})
	if diff := cmp.Diff([]uint32{32, 32, 3}, r.GetTracks()[0].GetFrames()[1].GetShape()); diff != "" {
		t.Error(diff)
	}
}

// A streamed session with steps needs nobody and ends by itself.
func TestStepsRunUnattended(t *testing.T) {
	ended := make(chan string, 1)
	m := sessiontest.StepModel()
	m.Ended = func(_, reason string) { ended <- reason }
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, StepResults: sessiontest.StepResults{Enabled: true}})
	for _, tt := range []struct {
		name, body, reason string
		steps              []int
	}{
		{"well", `{"steps":3,"session_id":"` + recordingID + `","starting_input":{"state":{"size":16}}}`, "stopped", []int{1, 2, 3}},
		{"failing command", `{"steps":3,"starting_input":{"commands":[{"command":"fail","data":{"code":"quota"}}]}}`, "error", []int{1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, 200, nil, "POST", srv.URL()+"/start_session", tt.body)
			if got := take(t, ended, "end of the session"); got != tt.reason {
				t.Errorf("it ended %q, want %q", got, tt.reason)
			}
			var list struct{ Steps []int }
			want(t, 200, &list, "GET", srv.URL()+"/sessions/"+recordingID+"/steps", "")
			if diff := cmp.Diff(tt.steps, list.Steps); diff != "" {
				t.Error(diff)
			}
			for srv.Sessions() > 0 || !strings.Contains(sessionState(t, srv), "ready") {
			}
		})
	}
}

// When a client has gone and then the starting input is done, the model rests.
func TestNobodyIsLeftBehindAStartingInput(t *testing.T) {
	release, gone := make(chan struct{}), make(chan uint32, 2)
	m := brightness()
	m.Tracks[0].Loop = []*sessiontest.Clip{sessiontest.H264Clip()}
	m.Commands = append(m.Commands, sessiontest.Command{
		Name: "dream", Handle: func(ctx context.Context, _ *sessiontest.Call) (*sessiontest.Message, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, nil
		},
	})
	m.Disconnected = func(_ string, connection uint32) { gone <- connection }
	srv := recordedServer(t, m)
	want(t, 200, nil, "POST", srv.URL()+"/start_session", `{"starting_input":{"commands":[{"command":"dream"}]}}`)
	connect(t, srv, clientConfig{})
	for len(srv.Output("main_video").Demand()) == 0 { // until it is recorded
	}
	srv.Drop()
	for srv.Connections() > 0 {
	}
	close(release)
	take(t, gone, "end of the client")
	if id := take(t, gone, "end of the starting input"); id != 0 {
		t.Errorf("connection %d went last", id)
	}
	if demand := srv.Output("main_video").Demand(); len(demand) > 0 {
		t.Errorf("for nobody, there is a demand: %v", demand)
	}
	if got := sessionState(t, srv); got != "orphaned" {
		t.Errorf("the session is %s", got)
	}
}

func sessionState(t *testing.T, srv *sessiontest.Server) string {
	t.Helper()
	var d struct{ State string }
	want(t, 200, &d, "GET", srv.URL()+"/session", "")
	return d.State
}
