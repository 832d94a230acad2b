package ffmpeg_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// resident returns the process's memory in bytes; what C allocated is seen
// nowhere else.
func resident(t *testing.T) int {
	t.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here")
	}
	var size, pages int
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// entries is how many there are in a folder of what the process has.
func entries(t *testing.T, folder string) int {
	t.Helper()
	all, err := os.ReadDir(folder)
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(all)
}

// A file played over and over leaves nothing behind: one leaked picture of
// each round would be 28 MB.
func TestNoLeak(t *testing.T) {
	const w, h, rounds = 320, 240, 250
	path := filepath.Join(t.TempDir(), "a.mkv")
	m, err := container.Create(path, container.Config{Codec: decode.H264, Width: w, Height: h, FPS: 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range clip(t, video(decode.H264, w, h), 5) {
		if err := m.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	var before int
	files, threads := entries(t, "/proc/self/fd"), entries(t, "/proc/self/task")
	for i := range rounds {
		if i == rounds/10 {
			before = resident(t)
		}
		playOnce(t, path)
	}
	if n := entries(t, "/proc/self/fd") - files; n > rounds/2 {
		t.Errorf("%d files are open that were not", n)
	}
	if n := entries(t, "/proc/self/task") - threads; n > rounds/2 {
		t.Errorf("%d threads run that did not", n)
	}
	const tolerance = 10 << 20
	if grown := resident(t) - before; grown > tolerance {
		t.Errorf("grew by %d MB", grown>>20)
	}
}

func playOnce(t *testing.T, path string) {
	t.Helper()
	f, err := ffmpeg.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.NewDecoder(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for {
		au, err := f.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		pictures, err := d.Decode(au)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pictures {
			w, h := p.Image.Format().Width, p.Image.Format().Height
			convert(t, p.Image, pipeline.Format{Layout: pipeline.BGR24, Width: w, Height: h})
			convert(t, p.Image, pipeline.Format{Layout: pipeline.I420, Width: 50, Height: 50})
			clone, err := p.Image.Clone()
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(clone.Close(), p.Image.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
