package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// A picture that stands still is acted on once, and again when it has moved in
// between.
func TestFrozen(t *testing.T) {
	const after = 10 * time.Second
	type look struct {
		at     time.Duration
		frames uint64
		up     bool
		want   bool
	}
	tests := []struct {
		name  string
		looks []look
	}{
		{"moves", []look{{0, 0, true, false}, {9 * time.Second, 5, true, false}, {18 * time.Second, 6, true, false}}},
		{"never came", []look{{0, 0, true, false}, {10 * time.Second, 0, true, true}}},
		{"once for each standstill", []look{
			{0, 7, true, false},
			{9 * time.Second, 7, true, false},
			{10 * time.Second, 7, true, true},
			{30 * time.Second, 7, true, false},
			{31 * time.Second, 8, true, false},
			{40 * time.Second, 8, true, false},
			{41 * time.Second, 8, true, true},
		}},
		{"without a session nothing stands still", []look{
			{0, 7, true, false},
			{9 * time.Second, 7, false, false},
			{20 * time.Second, 7, false, false},
			{29 * time.Second, 7, true, false},
			{30 * time.Second, 7, true, true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			f := frozen{after: after}
			for _, l := range tt.looks {
				if got := f.look(began.Add(l.at), l.frames, l.up); got != l.want {
					t.Errorf("after %s: got %t", l.at, got)
				}
			}
		})
	}
}

// A model whose picture stops is sent on_stall's commands, though its session is
// well, and the ledger says why.
func TestOnStall(t *testing.T) {
	t.Parallel()
	var model told
	srv := serve(t, model.note)
	var v invocation
	v.start(t, "run", write(t, "p.yaml", strings.ReplaceAll(`
name: p
session:
  url: "URL"
  stall_after: 2s
  on_stall: [{command: set_brightness, data: {brightness: 2}}]
sources: {cam: {track: main_video}}
sinks: [{name: nowhere, type: discard}]
`, "URL", srv.URL())), "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", 200, `"media":"playing"`)
	if err := srv.SetTrouble(sessiontest.Trouble{Show: sessiontest.Stopped}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		_, _, commands := model.seen()
		return slices.Contains(commands, `set_brightness {"brightness":2}`)
	}, v.err.String)
	eventually(t, func() bool {
		_, text := ask(t, url+"/v1/pipelines/p/commands")
		return strings.Contains(text, `"node":"on_stall"`) && strings.Contains(text, `"outcome":"sent"`)
	}, v.err.String)
}
