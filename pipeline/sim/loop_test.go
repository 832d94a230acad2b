package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// film makes a video of two seconds at 10 fps with the ffmpeg program.
func film(t *testing.T, name string, args ...string) (path string) {
	t.Helper()
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("there is no ffmpeg on PATH")
	}
	path = filepath.Join(t.TempDir(), name)
	cmd := exec.Command(program, append(append([]string{
		"-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=2", "-pix_fmt", "yuv420p",
	}, args...), path)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, stderr.String())
	}
	return path
}

// x264 encodes as for a session, with a keyframe every ten pictures.
func x264() []string { return []string{"-c:v", "libx264", "-tune", "zerolatency", "-g", "10"} }

// What is encoded goes out as it is, whatever it is in: the pictures that come
// are those of the file, and their numbers behind them.
func TestLoop(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, codec string
		args        []string
		unnumbered  bool
	}{
		{name: "a.mp4", codec: "h264", args: x264()},
		{name: "a.mkv", codec: "h264", args: x264()},
		{name: "a.mp4", codec: "h265", args: []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "bframes=0:log-level=none"}},
		{name: "a.webm", codec: "vp8", args: []string{"-c:v", "libvpx", "-deadline", "realtime"}},
		{name: "a.ivf", codec: "vp9", args: []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"}},
		{name: "a.mp4", codec: "av1", args: []string{"-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8"}, unnumbered: true},
	}
	for _, tt := range tests {
		t.Run(tt.codec+" in "+tt.name, func(t *testing.T) {
			t.Parallel()
			path := film(t, tt.name, tt.args...)
			original, err := openClip(path)
			if err != nil {
				t.Fatal(err)
			}
			defer original.Close()
			want, err := mat.New(160, 120)
			if err != nil {
				t.Fatal(err)
			}
			defer want.Close()
			session := connect(t, serve(t, Config{Loop: path}), sdk.Config{Codecs: []string{tt.codec}})
			frames, err := ingest.Open(within(t), session, "main_video")
			if err != nil {
				t.Fatal(err)
			}
			defer frames.Close()
			at := -1 // in the loop, round after round
			for i := range 25 {
				if !frames.Next(within(t)) {
					t.Fatal(frames.Err())
				}
				f := frames.Frame()
				number := (at + 1) % 20
				if f.Keyframe { // a viewer that was held up goes on with one
					number = numberBehind(t, f, !tt.unnumbered)
				}
				if got := `{"frame":` + strconv.Itoa(number) + `}`; !tt.unnumbered && string(f.UserData) != got {
					t.Errorf("picture %d: got %s behind it, want %s", i, f.UserData, got)
				}
				for shown := false; !shown; shown = at%20 == number {
					at++
					if err := original.next(want, time.Duration(at)*time.Second/10+time.Millisecond); err != nil {
						t.Fatal(err)
					}
				}
				got, err := mat.View(f)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.ToBytes(), want.Mat().ToBytes()) {
					t.Errorf("picture %d is not the file's", i)
				}
			}
		})
	}
}

// numberBehind is the number behind a keyframe; a film without numbers has one
// keyframe, the first.
func numberBehind(t *testing.T, f *pipeline.Frame, numbered bool) int {
	t.Helper()
	var behind struct{ Frame int }
	if numbered {
		if err := json.Unmarshal(f.UserData, &behind); err != nil || behind.Frame%10 != 0 {
			t.Fatalf("%s behind a keyframe, %v", f.UserData, err)
		}
	}
	return behind.Frame
}

// A loop that is looked at by several sessions of the cloud, and by a local one.
func TestLoopForManySessions(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{Loop: film(t, "a.mp4", x264()...), Sessions: 3})
	cfgs := []sdk.Config{{BaseURL: s.URL(), Local: true}}
	for range 3 {
		cfgs = append(cfgs, sdk.Config{BaseURL: s.URL(), APIKey: "rk_test", Model: "sim"})
	}
	ids := map[string]bool{}
	for _, cfg := range cfgs {
		session, err := sdk.Connect(within(t), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		ids[session.ID()] = true
		v := watch(t, session, "main_video")
		for range 3 {
			v.next()
		}
	}
	if len(ids) != len(cfgs) {
		t.Errorf("%d sessions, want %d", len(ids), len(cfgs))
	}
}

// The state counts what goes out, and commands are answered.
func TestLoopIsAModel(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, Config{Loop: film(t, "a.mp4", x264()...)}), sdk.Config{})
	messages := session.Messages(within(t))
	if r := command(t, session, "set_prompt", map[string]any{"prompt": "rain"}); r.Type != "prompt_accepted" {
		t.Errorf("got %+v", r)
	}
	said(t, messages, func(m sdk.Message) bool {
		n, _ := m.Data["current_frame"].(float64)
		return m.Type == "state" && m.Data["current_prompt"] == "rain" && n > 0
	})
}

func TestReadLoop(t *testing.T) {
	t.Parallel()
	tenth := func(n int) []time.Duration {
		var all []time.Duration
		for range n {
			all = append(all, time.Second/10)
		}
		return all
	}
	clip, err := ReadLoop(film(t, "a.mkv", x264()...))
	if err != nil {
		t.Fatal(err)
	}
	if len(clip.Frames) != 20 {
		t.Errorf("%d frames, want 20", len(clip.Frames))
	}
	if diff := cmp.Diff([]int{0, 10}, clip.Keyframes); diff != "" {
		t.Errorf("keyframes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tenth(20), clip.Lengths); diff != "" {
		t.Errorf("lengths (-want +got):\n%s", diff)
	}
	// A stream that says its parameters once can be entered at its beginning only.
	clip, err = ReadLoop(sayOnce(t, film(t, "a.h264", x264()...)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0}, clip.Keyframes); diff != "" {
		t.Errorf("keyframes of a bare stream (-want +got):\n%s", diff)
	}
}

// sayOnce takes the second sequence parameter set out of a stream of H.264.
func sayOnce(t *testing.T, path string) string {
	t.Helper()
	stream, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	startCode := []byte{0, 0, 0, 1}
	parameters := append(startCode, 0x67)
	at := bytes.LastIndex(stream, parameters)
	if at <= bytes.Index(stream, parameters) {
		t.Fatal("there is no second keyframe")
	}
	end := at + 1 + bytes.Index(stream[at+1:], startCode)
	if err := os.WriteFile(path, append(stream[:at:at], stream[end:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadLoopRefuses(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text.mp4")
	if err := os.WriteFile(text, []byte("this is no video at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{film(t, "b.mp4", "-c:v", "libx264", "-bf", "2"), "its pictures are not in the order in which they are shown (B-frames): encode it without, as with ffmpeg -bf 0"},
		{film(t, "a.avi", "-c:v", "mpeg4"), "codec: must be h264, h265, vp8, vp9 or av1, got mpeg4"},
		{text, "Invalid data found when processing input"},
		{"none.mp4", "no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			_, err := Serve(t.Context(), Config{Loop: tt.path})
			if !errors.Is(err, pipeline.ErrInvalid) || !strings.HasPrefix(err.Error(), "loop: ") || !strings.HasSuffix(err.Error(), tt.path+": "+tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
