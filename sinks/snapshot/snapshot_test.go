package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // what is looked at
	_ "image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
	"github.com/reactorpipe/reactorpipe/sinks/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSink(t *testing.T) {
	for _, ext := range []string{".jpg", ".png"} {
		t.Run(ext, func(t *testing.T) {
			pipetest.Sink(t, pipetest.Case{
				Register: snapshot.Register, Kind: "snapshot", Live: mat.Live,
				Config: "path: " + filepath.Join(t.TempDir(), "a"+ext),
			})
		})
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*snapshot.Config)
		want   string
	}{
		{"default", func(*snapshot.Config) {}, ""},
		{"upper case", func(c *snapshot.Config) { c.Path = "A.JPEG" }, ""},
		{"no path", func(c *snapshot.Config) { c.Path = "" }, "path: is required"},
		{"word", func(c *snapshot.Config) { c.Path = "{{n}}.jpg" }, "path: unknown {{ n }}: a path knows {{date}}, {{time}} and {{seq}}"},
		{"extension", func(c *snapshot.Config) { c.Path = "a.gif" }, `path: must end in .jpg or .png, got "a.gif"`},
		{"exists", func(c *snapshot.Config) { c.Exists = outfile.Append }, `exists: must be rename, overwrite or fail, got "append"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := snapshot.Default()
			cfg.Path = "{{date}}/{{seq}}.jpg"
			tt.change(&cfg)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func env(log *bytes.Buffer) pipeline.Env {
	return pipeline.Env{
		Name: "shots", Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: pipeline.NoMetrics{},
		Clock: &pipetest.Clock{Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)},
	}
}

func open(t *testing.T, log *bytes.Buffer, cfg snapshot.Config) pipeline.Sink {
	t.Helper()
	s, err := snapshot.New(env(log), cfg)
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

func write(t *testing.T, s pipeline.Sink, seq uint64) error {
	t.Helper()
	format := pipeline.Format{Layout: pipeline.I420, Width: 320, Height: 240}
	f := pipeline.NewFrame(pipeline.Meta{Seq: seq, Width: 320, Height: 240}, pipetest.NewPicture(t, format))
	return errors.Join(s.Write(t.Context(), f), f.Release())
}

// pictures returns what is in a folder.
func pictures(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got[name] = describe(content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// describe says what a file is, or else what it holds.
func describe(content []byte) string {
	picture, kind, err := image.Decode(bytes.NewReader(content))
	switch {
	case err != nil:
		return string(content)
	case picture.Bounds() != image.Rect(0, 0, 320, 240):
		return fmt.Sprint(kind, picture.Bounds())
	}
	return kind
}

func TestWritesAFileForEachPicture(t *testing.T) {
	tests := []struct {
		name, path string
		exists     outfile.Exists
		there      string
		want       map[string]string
		fails      bool
	}{
		{"jpeg", "{{date}}/{{seq}}.jpg", outfile.Rename, "", map[string]string{"2026-03-04/7.jpg": "jpeg", "2026-03-04/8.jpg": "jpeg"}, false},
		{"png", "{{time}}-{{seq}}.png", outfile.Rename, "", map[string]string{"050607-7.png": "png", "050607-8.png": "png"}, false},
		{"rename", "{{time}}.jpg", outfile.Rename, "050607.jpg", map[string]string{"050607.jpg": "mine", "050607-2.jpg": "jpeg", "050607-3.jpg": "jpeg"}, false},
		{"overwrite", "now.jpg", outfile.Overwrite, "now.jpg", map[string]string{"now.jpg": "jpeg"}, false},
		{"fail", "now.jpg", outfile.Fail, "now.jpg", map[string]string{"now.jpg": "mine"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.there != "" {
				if err := os.WriteFile(filepath.Join(dir, tt.there), []byte("mine"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cfg := snapshot.Default()
			cfg.Path, cfg.Exists = outfile.Path(filepath.Join(dir, tt.path)), tt.exists
			s := open(t, new(bytes.Buffer), cfg)
			for seq := range uint64(2) {
				err := write(t, s, 7+seq)
				if failed := err != nil; failed != (tt.fails && seq == 0) {
					t.Fatal(err)
				}
				if tt.fails && err != nil && !errors.Is(err, os.ErrExist) {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(pictures(t, dir), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQuality(t *testing.T) {
	size := func(quality int) int64 {
		path := filepath.Join(t.TempDir(), "a.jpg")
		cfg := snapshot.Default()
		cfg.Path, cfg.Quality = outfile.Path(path), quality
		if err := write(t, open(t, new(bytes.Buffer), cfg), 0); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if low, high := size(10), size(95); low >= high {
		t.Errorf("%d bytes of quality 10, %d of 95", low, high)
	}
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	cfg := snapshot.Default()
	cfg.Path, cfg.Keep.Size = outfile.Path(filepath.Join(dir, "{{seq}}.jpg")), 1
	s := open(t, new(bytes.Buffer), cfg)
	for seq := range uint64(3) {
		if err := write(t, s, seq); err != nil {
			t.Fatal(err)
		}
	}
	got := pictures(t, dir)
	delete(got, ".seq.jpg.kept")
	if diff := cmp.Diff(got, map[string]string{"2.jpg": "jpeg"}); diff != "" {
		t.Error(diff)
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk can be mounted here (%v): a full one is not tried", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	cfg := snapshot.Default()
	cfg.Path = outfile.Path(filepath.Join(dir, "shots", "{{seq}}.png"))
	log := new(bytes.Buffer)
	s := open(t, log, cfg)
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 60<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	errs := 0
	for seq := range uint64(5) {
		if err := write(t, s, seq); err != nil {
			errs++
			if !errors.Is(err, unix.ENOSPC) {
				t.Error(err)
			}
		}
	}
	if errs != 1 {
		t.Errorf("%d errors, want 1", errs)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, 5); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(pictures(t, dir), map[string]string{"shots/5.png": "png"}); diff != "" {
		t.Error(diff)
	}
	if got := strings.Count(log.String(), "frames_lost=5"); got != 1 {
		t.Errorf("that it goes on is logged %d times: %s", got, log)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := snapshot.Default()
	cfg.Path = outfile.Path(file + "/{{seq}}.jpg")
	_, err := snapshot.New(env(new(bytes.Buffer)), cfg)
	want := "path: mkdir " + file + ": not a directory"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}
