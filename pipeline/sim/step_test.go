package sim

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// light is the mean of a step's picture, 0 to 255.
func light(f sdk.StepFrame) float64 {
	sum := 0
	for _, b := range f.Data {
		sum += int(b)
	}
	return float64(sum) / float64(len(f.Data))
}

// A stepped session gets its pictures step by step, as commands have them.
func TestSteps(t *testing.T) {
	before := mat.Live()
	cfg := small()
	cfg.Pattern, cfg.StepFrames, cfg.FPS = "gray", 3, 10
	s := serve(t, cfg)
	session := connect(t, s, sdk.Config{Generation: sdk.Stepped})
	step := func(request sdk.StepRequest) sdk.StepOutput {
		t.Helper()
		r, err := session.Step(within(t), request)
		if err != nil {
			t.Fatal(err)
		}
		out, ok := r.Output("main_video")
		if !ok || len(out.Frames) != 3 || out.Rate != 10 {
			t.Fatalf("got %+v", r)
		}
		return out
	}
	first := step(sdk.StepRequest{})
	if diff := cmp.Diff([]int{120, 160, 3}, first.Frames[0].Shape); diff != "" {
		t.Errorf("shape (-want +got):\n%s", diff)
	}
	if got := light(first.Frames[0]); got < 120 || got > 136 {
		t.Errorf("the first picture is %v light, want gray", got)
	}
	second := step(sdk.StepRequest{
		State: map[string]any{"tint": "red"},
		Media: map[string][]sdk.StepFrame{"source": {sdk.RawPicture(make([]byte, 12), 2, 2)}},
	})
	if f := second.Frames[0]; f.Data[0] < f.Data[2]+30 {
		t.Errorf("a pixel is %v, want more red than blue", f.Data[:3])
	}
	if got := string(second.Frames[2].Metadata); got != `{"frame":5}` {
		t.Errorf("the sixth picture says %s", got)
	}
	if n := s.InputFrames(); n != 1 {
		t.Errorf("%d pictures came in, want 1", n)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := mat.Live(); n > before {
		t.Errorf("%d pictures are left", n-before)
	}
}

// Without steps in its configuration the model cannot be stepped.
func TestNoSteps(t *testing.T) {
	t.Parallel()
	s := serve(t, small())
	_, err := sdk.Connect(within(t), sdk.Config{BaseURL: s.URL(), Local: true, Generation: sdk.Stepped})
	if err == nil {
		t.Fatal("it is stepped")
	}
}

// What was shown can be fetched as a file.
func TestRecording(t *testing.T) {
	t.Parallel()
	cfg := small()
	cfg.Recording = sessiontest.Recording{Enabled: true, Chunk: 300 * time.Millisecond}
	session := connect(t, serve(t, cfg), sdk.Config{})
	watch(t, session, "main_video").next()
	for {
		var file bytes.Buffer
		_, err := session.SaveClip(within(t), 200*time.Millisecond, &file, sdk.DownloadConfig{})
		if err != nil && strings.Contains(err.Error(), "no media generated yet") {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if head := file.Bytes()[4:8]; string(head) != "ftyp" {
			t.Errorf("the file begins with %q", head)
		}
		break
	}
	other := connect(t, serve(t, small()), sdk.Config{})
	if _, err := other.SaveClip(within(t), time.Second, io.Discard, sdk.DownloadConfig{}); err == nil {
		t.Error("a clip without a recorder")
	}
}

// Each test picture is one, in any size, and some move.
func TestPatterns(t *testing.T) {
	moves := map[string]bool{"bars": true, "noise": true, "ramp": true, "gray": false}
	if len(moves) != len(Patterns()) {
		t.Errorf("there are %v", Patterns())
	}
	for _, name := range Patterns() {
		for _, size := range [][2]int{{2, 2}, {160, 120}, {1280, 720}} {
			st, err := openStudio(Config{Pattern: name, Width: size[0], Height: size[1]})
			if err != nil {
				t.Fatal(err)
			}
			draw := func(at time.Duration) []byte { // on a thread of its own
				drawn := make(chan error)
				go func() {
					runtime.LockOSThread()
					drawn <- st.draw(at, state{brightness: 1})
				}()
				if err := <-drawn; err != nil {
					t.Fatal(err)
				}
				return st.canvas.Mat().ToBytes()
			}
			if moved := !bytes.Equal(draw(0), draw(time.Second)); size[0] > 2 && moved != moves[name] {
				t.Errorf("%s: moved is %t", name, moved)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
