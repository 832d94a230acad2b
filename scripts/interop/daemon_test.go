package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// run starts the daemon on one of our pipelines, in a folder of its own.
func run(t *testing.T, dir string, r *runtime, pipeline string, env []string, args ...string) *process {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("pipelines", pipeline))
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "MODEL_URL="+r.url)
	args = append([]string{"run", file, "--admin", "off"}, args...)
	return start(t, dir, env, "", reactorpipe(t), args...)
}

// summary is what we read of --summary.
type summary struct {
	Error  string
	Frames struct {
		Received, Decoded int
	}
	Commands    map[string]int
	CommandList []struct {
		Command string
		Outcome string
		Reason  string
		Reply   struct {
			Data struct {
				Filename string
				Size     int
			}
		}
	} `json:"command_list"`
	Reconnects int
}

func TestDaemon(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9"} {
		t.Run(codec, func(t *testing.T) {
			r := serve(t, "mirror")
			dir := t.TempDir()
			began := time.Now()
			p := run(t, dir, r, "loop.yaml", []string{"CODEC=" + codec}, "--duration", "8s", "--summary", "summary.json")
			if code := p.wait(t, time.Minute); code != 0 {
				t.Fatalf("exit code %d, want 0", code)
			}
			t.Logf("%v from start to end", time.Since(began).Round(time.Millisecond))

			t.Run("summary", func(t *testing.T) { checkSummary(t, dir) })
			t.Run("events", func(t *testing.T) { checkEvents(t, dir) })
			t.Run("messages", func(t *testing.T) { checkMessages(t, dir) })
			t.Run("recording", func(t *testing.T) { checkRecording(t, dir) })
			t.Run("journal", func(t *testing.T) { checkJournal(t, r) })
		})
	}
}

// checkSummary expects about 30 fps for 8 s, on a machine that may be slow.
func checkSummary(t *testing.T, dir string) {
	t.Helper()
	var s summary
	readJSON(t, filepath.Join(dir, "summary.json"), &s)
	if s.Frames.Decoded < 120 || s.Frames.Decoded > s.Frames.Received {
		t.Errorf("%d frames decoded of %d received, want over 120", s.Frames.Decoded, s.Frames.Received)
	}
	if s.Reconnects != 0 || s.Error != "" {
		t.Errorf("%d reconnects, error %q; want none", s.Reconnects, s.Error)
	}
	var got, files []string
	for _, c := range s.CommandList {
		if c.Reply.Data.Filename != "" {
			files = append(files, fmt.Sprint(c.Reply.Data.Filename, " ", c.Reply.Data.Size))
		}
		got = append(got, strings.TrimSpace(c.Command+" "+c.Outcome+" "+c.Reason))
	}
	for _, want := range []string{"set_brightness sent", "announce sent", "set_image sent"} {
		if !slices.Contains(got, want) {
			t.Errorf("command list %q lacks %q", got, want)
		}
	}
	reference, err := os.Stat("../../configs/reference.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0] != fmt.Sprint("reference.jpg ", reference.Size()) || !strings.HasPrefix(files[1], "cam-") {
		t.Errorf("the model was given %q, want reference.jpg of %d bytes and a part of cam", files, reference.Size())
	}
	if !slices.ContainsFunc(got, func(c string) bool {
		return strings.HasPrefix(c, "refuse refused") && strings.Contains(c, "no such luck")
	}) {
		t.Errorf(`command list %q lacks the refusal "no such luck"`, got)
	}
}

// checkEvents expects frames in order, with what the model wrote on them.
func checkEvents(t *testing.T, dir string) {
	t.Helper()
	lines := readLines[struct {
		Stream        string
		Seq           int
		PTS           float64 `json:"pts_ms"`
		Width, Height int
		UserData      struct{ Step int } `json:"user_data"`
	}](t, filepath.Join(dir, "events.jsonl"))
	if len(lines) < 100 {
		t.Fatalf("%d lines, want over 100", len(lines))
	}
	if first := lines[0]; first.Width == 1280 && first.UserData.Step == 0 {
		lines = lines[1:] // the runtime may show a black frame before the model's first
	}
	for i, line := range lines {
		if line.Stream != "cam" || line.Width != 640 || line.Height != 360 || line.UserData.Step == 0 {
			t.Fatalf("line %d: %+v, want a frame of cam in 640x360 with its step", i, line)
		}
		if i > 0 && (line.Seq <= lines[i-1].Seq || line.PTS < lines[i-1].PTS || line.UserData.Step < lines[i-1].UserData.Step) {
			t.Fatalf("line %d: %+v comes after %+v", i, line, lines[i-1])
		}
	}
}

// checkMessages expects the model to have been turned up, and to have seen what
// was published.
func checkMessages(t *testing.T, dir string) {
	t.Helper()
	lines := readLines[struct {
		Stream, Type string
		Data         struct {
			Brightness   float64
			SourceFrames int `json:"source_frames"`
		}
	}](t, filepath.Join(dir, "messages.jsonl"))
	if len(lines) == 0 {
		t.Fatal("no message")
	}
	last := lines[len(lines)-1]
	if last.Stream != "state" || last.Type != "state" {
		t.Errorf("last line is %s of %s, want state of state", last.Type, last.Stream)
	}
	if last.Data.Brightness != 2 {
		t.Errorf("brightness ended at %v, want 2", last.Data.Brightness)
	}
	if last.Data.SourceFrames < 30 {
		t.Errorf("the model saw %d frames of ours, want 30 and more", last.Data.SourceFrames)
	}
}

// checkRecording looks at the lamp: half lit by the command that the session
// starts with, full when the one that the pipeline decided on has been obeyed.
func checkRecording(t *testing.T, dir string) {
	t.Helper()
	lamp := lamps(t, filepath.Join(dir, "out.mp4"))
	if len(lamp) < 100 {
		t.Fatalf("%d pictures, want over 100", len(lamp))
	}
	if near(lamp[0], 0) {
		lamp = lamp[1:] // the runtime may show a black frame before the model's first
	}
	if low := slices.Min(lamp); !near(low, 50) {
		t.Errorf("the lamp was never below %.0f, want 50", low)
	}
	if last := lamp[len(lamp)-1]; !near(last, 200) {
		t.Errorf("the lamp ended at %.0f, want 200", last)
	}
}

// checkJournal asks the runtime what happened.
func checkJournal(t *testing.T, r *runtime) {
	t.Helper()
	entries := r.journal(t, func(e entry) bool { return e.Event == "cleanup_complete" })
	want := []string{"set_brightness", "set_image", "refuse", "set_brightness", "announce"}
	for _, name := range want {
		if !slices.Contains(commands(entries), name) {
			t.Errorf("commands %q lack %q", commands(entries), name)
		}
	}
	if got := entries[len(entries)-1].Detail.Reason; got != "stopped" {
		t.Errorf("the session ended for %q, want it stopped by us", got)
	}
	if got := r.state(t); got != "ready" {
		t.Errorf("the runtime is %s, want ready for the next session", got)
	}
}

func TestDaemonRefusals(t *testing.T) {
	tests := []struct {
		name string
		set  string
		want string
	}{
		{"a constant that the schema does not allow", "brighter.config.data.brightness=3", "brightness"},
		{"a command that the model does not have", "brighter.config.command=set_brightnes", `set_brightnes`},
		{"a track that the model does not have", "cam.track=side_video", `side_video`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := serve(t, "mirror")
			p := run(t, t.TempDir(), r, "loop.yaml", []string{"CODEC=vp8"}, "--duration", "20s", "--set", tt.set)
			if code := p.wait(t, time.Minute); code != 78 {
				t.Errorf("exit code %d, want 78", code)
			}
			if !strings.Contains(p.log.String(), tt.want) {
				t.Errorf("it does not name %q", tt.want)
			}
			entries := r.journal(t, func(e entry) bool { return e.Event == "cleanup_complete" })
			if got := commands(entries); slices.Contains(got, "announce") || slices.Contains(got, "refuse") {
				t.Errorf("commands %q: a frame has flowed", got)
			}
		})
	}
}

func TestDaemonWhenTheServerEndsTheSession(t *testing.T) {
	r := serve(t, "mirror")
	dir := t.TempDir()
	p := run(t, dir, r, "loop.yaml", []string{"CODEC=vp8"}, "--summary", "summary.json")
	p.until(t, "a frame written", func() bool {
		info, err := os.Stat(filepath.Join(dir, "events.jsonl"))
		return err == nil && info.Size() > 0
	})
	resp, err := http.Post(r.url+"/stop_session", "application/json", strings.NewReader(`{"reason": "closing time"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if code := p.wait(t, time.Minute); code != 0 {
		t.Errorf("exit code %d, want 0: an orderly end", code)
	}
	if !strings.Contains(p.log.String(), "closing time") {
		t.Error(`it does not say why: "closing time"`)
	}
	lamps(t, filepath.Join(dir, "out.mp4")) // it can be read to its end
}

// lamps returns how bright the left half of each of a recording's pictures is,
// 0 to 255, as FFmpeg's own program reads it.
func lamps(t *testing.T, path string) []float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", path,
		"-vf", "crop=iw/2-16:ih:0:0,scale=1:1:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var lamps []float64
	for pixel := range slices.Chunk(out, 3) {
		lamps = append(lamps, float64(pixel[0]))
	}
	if len(lamps) == 0 {
		t.Fatalf("%s holds no picture", path)
	}
	return lamps
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readLines[T any](t *testing.T, path string) []T {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one T
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatalf("%s: %v in %s", path, err, lines.Text())
		}
		all = append(all, one)
	}
	return all
}
