package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// told is what a model was told, and by how many sessions.
type told struct {
	mu       sync.Mutex // guards what follows
	sessions int
	most     int // at a time
	now      int
	commands []string
}

// note has a model remember its sessions and commands.
func (n *told) note(c *sessiontest.Config) {
	c.Model.Started = func(string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.sessions++
		n.now++
		n.most = max(n.most, n.now)
	}
	c.Model.Ended = func(string, string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.now--
	}
	for i := range c.Model.Commands {
		c.Model.Commands[i].Handle = func(_ context.Context, call *sessiontest.Call) (*sessiontest.Message, error) {
			text, err := json.Marshal(call.Args)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.commands = append(n.commands, call.Name+" "+string(text))
			return nil, err
		}
	}
}

func (n *told) seen() (sessions, most int, commands []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sessions, n.most, slices.Clone(n.commands)
}

// frameLine is a line of a jsonl sink.
type frameLine struct {
	Seq uint64  `json:"seq"`
	PTS float64 `json:"pts_ms"`
}

func frameLines(t *testing.T, path string) []frameLine {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []frameLine
	for line := range strings.Lines(string(text)) {
		var f frameLine
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		lines = append(lines, f)
	}
	return lines
}

// lasting is a pipeline whose session is renewed while it records.
const lasting = `
name: p
session:
  SESSION
  wait: 20s
  start: [{command: set_brightness, data: {brightness: 0.5}}]
sources: {cam: {track: main_video}}
sinks:
- {name: events, type: jsonl, config: {path: DIR/events.jsonl}}
- {name: video, type: record, config: {path: DIR/video.mp4}}
- name: steer
  type: command
  when: frame.seq >= 10
  config: {command: set_brightness, data: {brightness: 1.5}}
`

// A session is renewed again and again: the files go on as if it were one, the
// model is told its start commands, and what was set is set again.
func TestRenew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		session string
		config  func(*sessiontest.Config)
		beside  bool // two sessions at a time; the server sees to it where it takes one
	}{
		{
			"beside each other", "model: reactor/x2\n  api_key: key\n  limit: 3s\n  renew: {before: 1500ms}",
			func(c *sessiontest.Config) { c.MaxSessions = 2 }, true,
		},
		{
			"one after the other", "model: reactor/x2\n  api_key: key\n  limit: 3s\n  renew: {before: 1500ms}",
			func(c *sessiontest.Config) { c.MaxSessions = 1 }, false,
		},
		{
			"ended by a local runtime", "url: URL\n  renew:",
			func(c *sessiontest.Config) { c.SessionLimit = 3 * time.Second }, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var model told
			srv := serve(t, tt.config, model.note)
			path := write(t, "p.yaml", strings.ReplaceAll(strings.ReplaceAll(lasting, "SESSION", tt.session), "URL", `"`+srv.URL()+`"`))
			dir := filepath.Dir(path)
			summary := filepath.Join(dir, "s.json")
			v := invocation{env: map[string]string{"REACTOR_API_URL": srv.URL()}}
			stop := v.start(t, "run", path, "--summary", summary)
			eventually(t, func() bool {
				_, _, commands := model.seen()
				setAgain := strings.Count(strings.Join(commands, "\n"), aimed) >= 3
				return setAgain && strings.Count(v.err.String(), "the picture of the next session") >= 2
			}, v.err.String)
			if code := stop(); code != exitDone {
				t.Fatalf("exit %d:\n%s", code, v.err.String())
			}
			sessions, most, commands := model.seen()
			if tt.beside && most != 2 {
				t.Errorf("%d sessions at a time, want 2", most)
			}
			s := readSummary(t, summary)
			renewals := s["renewals"].(float64)
			if renewals < 2 || int(renewals) > sessions-1 || at(t, s, "renewal_gap_ms", "max").(float64) <= 0 || s["reconnects"] != 0.0 {
				t.Errorf("%d sessions, summary: %v renewals, %v reconnects, gaps %v", sessions, renewals, s["reconnects"], s["renewal_gap_ms"])
			}
			wantSetAgain(t, commands)
			wantUnbroken(t, filepath.Join(dir, "events.jsonl"), filepath.Join(dir, "video.mp4"))
		})
	}
}

// What the pipeline tells a model: at the start of a session, and once it has
// looked for a while.
const (
	began = `set_brightness {"brightness":0.5}`
	aimed = `set_brightness {"brightness":1.5}`
)

// wantSetAgain wants each session started, and set as the one before it once that
// was set.
func wantSetAgain(t *testing.T, commands []string) {
	t.Helper()
	set := slices.Index(commands, aimed)
	for i, c := range commands {
		want := began
		if i >= set && (i-set)%2 == 0 {
			want = aimed
		}
		if c != want {
			t.Fatalf("told %q", commands)
		}
	}
}

// wantUnbroken wants a recording in one piece, of frames without a step back.
func wantUnbroken(t *testing.T, events, video string) {
	t.Helper()
	lines := frameLines(t, events)
	for i, f := range lines {
		if i > 0 && (f.Seq <= lines[i-1].Seq || f.PTS <= lines[i-1].PTS) {
			t.Fatalf("frame %d: %+v behind %+v", i, f, lines[i-1])
		}
	}
	f, err := ffmpeg.OpenFile(video)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pictures, last := 0, time.Duration(-1)
	for u, err := f.Next(); err == nil; u, err = f.Next() {
		if u.PTS <= last {
			t.Fatalf("picture %d of the recording goes back to %v", pictures, u.PTS)
		}
		pictures, last = pictures+1, u.PTS
	}
	if seen := lines[len(lines)-1].PTS / 1000; last.Seconds() < 0.8*seen {
		t.Errorf("the recording of %.1f s ends after %s", seen, last)
	}
	if more, _ := filepath.Glob(strings.TrimSuffix(video, ".mp4") + "-*.mp4"); len(more) > 0 {
		t.Errorf("the recording is in pieces: %v", more)
	}
}
