package interop

import (
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// A model hears what is published, and what it says is recorded with its picture,
// which is white while it is loud.
func TestSound(t *testing.T) {
	r := serve(t, "parrot")
	dir := t.TempDir()
	beep := filepath.Join(dir, "beep.mkv")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=30:duration=2",
		"-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000:duration=2,volume='if(lt(mod(t,1),0.3),4,0)':eval=frame", "-c:v", "libvpx", "-c:a", "libopus", beep).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	p := run(t, dir, r, "sound.yaml", []string{"BEEP=" + beep}, "--duration", "8s")
	if code := p.wait(t, time.Minute); code != 0 {
		t.Fatalf("exit code %d, want 0", code)
	}
	file := filepath.Join(dir, "parrot.mkv")
	seen, heard := whitenings(t, file), onsets(t, file)
	t.Logf("white at %v, loud at %v", seen, heard)
	if len(heard) < 3 || len(seen) < 3 {
		t.Fatalf("white %d times, loud %d times, want over 2", len(seen), len(heard))
	}
	matched := 0
	for _, at := range heard {
		for _, other := range seen {
			if (at - other).Abs() <= 200*time.Millisecond { // the runtime plays sound from a buffer of its own
				matched++
				break
			}
		}
	}
	if matched < len(heard)-2 {
		t.Errorf("%d of %d tones have their picture", matched, len(heard))
	}
}

// whitenings returns when a file's pictures become white.
func whitenings(t *testing.T, path string) (at []time.Duration) {
	t.Helper()
	env := pipeline.Env{Name: "f", Clock: pipeline.SystemClock{}, Log: slog.New(slog.DiscardHandler)}
	s, err := ingest.NewFile(env, ingest.FileConfig{File: path, Decoding: ingest.Decoding{Device: decode.CPU, Threads: 1, MaxPixels: 1 << 22}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for white := false; ; {
		f, err := s.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := mat.Gray(f)
		if err != nil {
			t.Fatal(err)
		}
		now := m.GetUCharAt(60, 80) > 128
		if now && !white {
			at = append(at, f.PTS)
		}
		white = now
		if err := f.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

// onsets returns when a file's sound becomes loud, after a tenth of a second in
// which it was not.
func onsets(t *testing.T, path string) (at []time.Duration) {
	t.Helper()
	f, err := ffmpeg.OpenSoundFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := -time.Second
	for {
		s, err := f.Next()
		if errors.Is(err, io.EOF) {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(s.Samples); i += s.Channels {
			if s.Samples[i] < 3000 {
				continue
			}
			now := s.PTS + time.Duration(i/s.Channels)*time.Second/time.Duration(s.Rate)
			if now-last > 100*time.Millisecond {
				at = append(at, now)
			}
			last = now
		}
	}
}
