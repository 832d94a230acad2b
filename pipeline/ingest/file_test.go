package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// street is 20 s of 768×576 at 10 fps.
const street = "../../configs/street.mp4"

func playing(t *testing.T, cfg FileConfig) pipeline.Source {
	t.Helper()
	return playingTo(t, cfg, io.Discard)
}

// playingTo has the source's log written to w.
func playingTo(t *testing.T, cfg FileConfig, w io.Writer) pipeline.Source {
	t.Helper()
	s, err := NewFile(pipeline.Env{Name: "cam", Log: slog.New(slog.NewTextHandler(w, nil)), Clock: pipeline.SystemClock{}}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// copyOf returns the path of the first n bytes of street.
func copyOf(t *testing.T, n int) string {
	t.Helper()
	b, err := os.ReadFile(street)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, b[:n], 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFile(t *testing.T) {
	s := playing(t, FileConfig{File: street, Decoding: defaultDecoding()})
	if s.Live() {
		t.Error("a file waits for who reads it")
	}
	for i := range 200 {
		f, err := s.Read(t.Context())
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if f.Seq != uint64(i) || f.PTS != time.Duration(i)*100*time.Millisecond || f.Width != 768 || f.Height != 576 || f.Stream != "cam" || f.Discontinuity != "" || f.Arrival.IsZero() {
			t.Fatalf("frame %d: %+v", i, f.Meta)
		}
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := s.Read(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	}
	if c := s.(pipeline.CountingSource).Counts(); c.Received != 200 || c.Decoded != 200 || c.Dropped["undecodable"] != 0 {
		t.Errorf("counts %+v", c)
	}
}

// A file that was cut off plays as far as it goes, and loops from there.
func TestFileThatIsCutOff(t *testing.T) {
	var log bytes.Buffer
	s := playingTo(t, FileConfig{File: copyOf(t, 200_000), Loop: true}, &log)
	last := -100 * time.Millisecond
	loops := 0
	for i := uint64(0); loops < 2; i++ {
		f, err := s.Read(t.Context())
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if step := f.PTS - last; f.Seq != i || step < 100*time.Millisecond || step > time.Second {
			t.Fatalf("frame %d after %v: %+v", i, last, f.Meta)
		}
		last = f.PTS
		switch f.Discontinuity {
		case pipeline.Loop:
			loops++
		case "", pipeline.Loss:
		default:
			t.Errorf("frame %d: %q", i, f.Discontinuity)
		}
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(log.String(), "file ends before its end") {
		t.Errorf("nothing was said of it:\n%s", &log)
	}
}

// In real time a frame comes when it is due, over the loop too, and at once
// where the reader is late.
func TestFileInRealTime(t *testing.T) {
	path := copyOf(t, 200_000)
	synctest.Test(t, func(t *testing.T) {
		s := playing(t, FileConfig{File: path, Loop: true, Realtime: true})
		if !s.Live() {
			t.Error("real time waits for nobody")
		}
		begun := time.Now()
		looped := false
		for i := 0; !looped || i < 20; i++ {
			f, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			looped = looped || f.Discontinuity == pipeline.Loop
			if since := time.Since(begun); since != f.PTS || !f.Arrival.Equal(time.Now()) {
				t.Errorf("frame %d, due at %v, came at %v, arrival %v", f.Seq, f.PTS, since, f.Arrival)
			}
			if err := f.Release(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		late := time.Now()
		for range 9 {
			f, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Release(); err != nil {
				t.Error(err)
			}
		}
		if waited := time.Since(late); waited != 0 {
			t.Errorf("waited %v for frames that were overdue", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Read(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
	})
}

func TestFileThatCannotBePlayed(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("no video"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, file, want string }{
		{"missing", "none.mp4", "file: open " + filepath.Join(dir, "none.mp4") + ": no such file or directory"},
		{"a folder", ".", "file: open " + dir + ": is a directory"},
		{"no video", "notes.txt", "file: open " + text + ": Invalid data found when processing input"},
		{"nothing but a header", copyOf(t, 1000), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewFile(pipeline.Env{Dir: dir}, FileConfig{File: tt.file})
			if !errors.Is(err, pipeline.ErrInvalid) || tt.want != "" && err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestFileClose(t *testing.T) {
	s := playing(t, FileConfig{File: street, Decoding: defaultDecoding()})
	f, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Read(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("got %v from a closed source", err)
	}
	if f.Image().Format().Width != 768 { // frames outlive their source
		t.Errorf("got %s", f.Image().Format())
	}
	if err := f.Release(); err != nil {
		t.Error(err)
	}
}

func TestFileConfig(t *testing.T) {
	tests := []struct {
		name string
		cfg  FileConfig
		want string
	}{
		{"default", FileConfig{File: "a.mp4", Decoding: defaultDecoding()}, ""},
		{"no file", defaultFile(), "file: must be the path of a video"},
		{"threads", FileConfig{File: "a.mp4", Decoding: Decoding{Threads: 65, MaxPixels: 1}}, "threads: must be 1 to 64, got 65"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
