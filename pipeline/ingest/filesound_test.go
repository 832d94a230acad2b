package ingest

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// The sound of a file comes with its pictures, in one piece over its rounds, and
// silence where the file has none.
func TestFileSound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flashing.mkv")
	model := newFlashing(t, 2*second)
	file, err := container.NewRelay(path, pipeline.Unit{Codec: "vp8", Data: model.pictures[0], Keyframe: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	for n, data := range model.pictures {
		if err := file.Write(pipeline.Unit{Codec: "vp8", Data: data, PTS: takenAt(n), Keyframe: true}); err != nil {
			t.Fatal(err)
		}
	}
	for i, data := range model.packets[:75] { // half a second is missing
		a := pipeline.Audio{Codec: "opus", Data: data, PTS: time.Duration(i) * encode.SoundLength, Duration: encode.SoundLength}
		if err := file.WriteAudio(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	env := pipeline.Env{Name: "f", Clock: pipeline.SystemClock{}, Log: slog.New(slog.DiscardHandler)}
	s, err := NewFile(env, FileConfig{File: path, Loop: true, Audio: true, Decoding: defaultDecoding()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var end time.Duration
	s.(pipeline.AudioSource).Listen(func(a pipeline.Audio) {
		if a.Codec != "opus" || len(a.Data) == 0 || a.PTS != end {
			t.Errorf("%s of %d bytes at %v, behind %v", a.Codec, len(a.Data), a.PTS, end)
		}
		end = a.PTS + a.Duration
	})
	for range 150 { // two rounds and a half
		f, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if off := end - f.PTS; off < 0 || off > 60*time.Millisecond {
			t.Errorf("at %v there is sound up to %v", f.PTS, end)
		}
		if err := f.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileWithoutSound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mute.mkv")
	clip := sessiontest.VP8Clip()
	keyframe := pipeline.Unit{Codec: "vp8", Data: clip.Frames[0], Keyframe: true}
	file, err := container.NewRelay(path, keyframe, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Write(keyframe), file.Close()); err != nil {
		t.Fatal(err)
	}
	env := pipeline.Env{Name: "f", Clock: pipeline.SystemClock{}, Log: slog.New(slog.DiscardHandler)}
	_, err = NewFile(env, FileConfig{File: path, Audio: true, Decoding: defaultDecoding()})
	if !errors.Is(err, pipeline.ErrInvalid) || !strings.HasSuffix(err.Error(), "there is no sound in it") {
		t.Errorf("got %v", err)
	}
	s, err := NewFile(env, FileConfig{File: path, Decoding: defaultDecoding()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
