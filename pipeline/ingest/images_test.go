package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

// shots makes a folder of images of one shade each, twice as wide as their number.
func shots(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(name[strings.IndexAny(name, "0123456789"):], "%d", &n); err != nil {
			t.Fatal(err)
		}
		m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(float64(n), 0, 0, 0), 16, 2*n, gocv.MatTypeCV8UC3)
		if !gocv.IMWrite(filepath.Join(dir, name), m) {
			t.Fatalf("%s not written", name)
		}
		m.Close()
	}
	return dir
}

func showing(t *testing.T, dir string, cfg ImagesConfig) (pipeline.Source, *pipetest.Log) {
	t.Helper()
	log := &pipetest.Log{}
	if cfg.MaxPixels == 0 {
		cfg.MaxPixels = defaultPixels
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := NewImages(environment(dir, log), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	return s, log
}

// shown is what a test compares of an image: how wide it is, its shade, its time.
type shown struct {
	Width int
	Shade uint8
	PTS   time.Duration
	Why   pipeline.Reason
}

func show(t *testing.T, s pipeline.Source) shown {
	t.Helper()
	f, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := mat.View(f)
	if err != nil {
		t.Fatal(err)
	}
	got := shown{f.Width, m.GetVecbAt(8, 8)[0], f.PTS, f.Discontinuity}
	if err := f.Release(); err != nil {
		t.Error(err)
	}
	return got
}

func TestImages(t *testing.T) {
	dir := shots(t, "shot9.png", "shot10.png", "shot100.png", "old20.bmp")
	for name, content := range map[string]string{"broken30.png": "no picture", "notes.txt": "no image"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	half := 500 * time.Millisecond
	tests := []struct {
		name, images string
		want         []shown
	}{
		{"a folder", ".", []shown{{40, 20, 0, ""}, {18, 9, half, ""}, {20, 10, 2 * half, ""}, {200, 100, 3 * half, ""}}},
		{"a pattern", "shot*.png", []shown{{18, 9, 0, ""}, {20, 10, half, ""}, {200, 100, 2 * half, ""}}},
		{"one", "shot10.png", []shown{{20, 10, 0, ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, log := showing(t, dir, ImagesConfig{Images: tt.images, FPS: 2})
			var got []shown
			for range tt.want {
				got = append(got, show(t, s))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
			if _, err := s.Read(t.Context()); !errors.Is(err, io.EOF) {
				t.Errorf("after the last: %v", err)
			}
			broken := uint64(0)
			if tt.images == "." {
				broken = 1
			}
			c := s.(pipeline.CountingSource).Counts()
			if c.Decoded != uint64(len(tt.want)) || c.Dropped["undecodable"] != broken || strings.Contains(log.String(), "broken30.png") != (broken > 0) {
				t.Errorf("counts %+v, log:\n%s", c, log)
			}
		})
	}
}

// An image larger than is taken is left out, and counted: by its header, before
// there is memory for it, or once it is decoded where nobody reads that.
func TestImagesOverMaxPixels(t *testing.T) {
	dir := shots(t, "1.png", "2.png", "50.bmp", "60.jpg")
	bomb := filepath.Join(dir, "1.png")
	b, err := os.ReadFile(bomb)
	if err != nil {
		t.Fatal(err)
	}
	header := b[12:29] // IHDR, from its name to before its checksum
	binary.BigEndian.PutUint32(header[4:], 30_000)
	binary.BigEndian.PutUint32(header[8:], 30_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(header))
	if err := os.WriteFile(bomb, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := showing(t, dir, ImagesConfig{Images: ".", FPS: 1, MaxPixels: 16 * 90})
	if got := show(t, s); got.Width != 4 {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Read(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
	for _, want := range []string{"30000×30000, at most 1440 pixels are taken", "100×16", "120×16"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log)
		}
	}
	if c := s.(pipeline.CountingSource).Counts(); c.Received != 4 || c.Dropped["over_max_pixels"] != 3 {
		t.Errorf("counts %+v", c)
	}
}

func TestImagesLoop(t *testing.T) {
	s, _ := showing(t, shots(t, "1.png", "2.png"), ImagesConfig{Images: ".", FPS: 1, Loop: true})
	got := []shown{show(t, s), show(t, s), show(t, s)}
	want := []shown{{2, 1, 0, ""}, {4, 2, time.Second, ""}, {2, 1, 2 * time.Second, pipeline.Loop}}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Shade" }, cmp.Ignore())); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

func TestImagesInRealTime(t *testing.T) {
	dir := shots(t, "10.png", "20.png", "30.png")
	synctest.Test(t, func(t *testing.T) {
		s, _ := showing(t, dir, ImagesConfig{Images: ".", FPS: 2, Realtime: true})
		begun := time.Now()
		for range 3 {
			show(t, s)
		}
		if got := time.Since(begun); got != time.Second || !s.Live() {
			t.Errorf("three images at two a second took %v", got)
		}
	})
}

func TestImagesThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, images := range []string{".", "*.png", "nonsense"} {
		_, err := NewImages(environment(dir, &pipetest.Log{}), ImagesConfig{Images: images, FPS: 1})
		if !errors.Is(err, pipeline.ErrInvalid) || !strings.Contains(err.Error(), "images: there are none in ") {
			t.Errorf("%s: %v", images, err)
		}
	}
	cfg := ImagesConfig{}
	const want = "images: must be a folder or a pattern such as shots/*.png\nfps: must be over 0 and at most 1000, got 0\nmax_pixels: must be 1 to 256000000, got 0"
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestNaturally(t *testing.T) {
	want := []string{"a", "a1b2", "a1b10", "a2", "a02", "a10", "b1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, naturally)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
