package record_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
	"github.com/reactorpipe/reactorpipe/sinks/record"
)

// writer is the variable that makes the test binary a process which records
// into the file that it names, until it is killed.
const writer = "RECORD_UNTIL_KILLED"

func TestMain(m *testing.M) {
	decoder.Silence()
	if path := os.Getenv(writer); path != "" {
		recordUntilKilled(path)
	}
	os.Exit(m.Run())
}

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{
		Register: record.Register, Kind: "record", Config: "path: " + filepath.Join(t.TempDir(), "video.mp4"),
		Width: 96, Height: 64,
	})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*record.Config)
		want   string
	}{
		{"default", func(*record.Config) {}, ""},
		{"upper case", func(c *record.Config) { c.Path = "A.MP4" }, ""},
		{"no path", func(c *record.Config) { c.Path = "" }, "path: is required"},
		{"extension", func(c *record.Config) { c.Path = "a.avi" }, `path: must end in .mp4 or .mkv, got "a.avi"`},
		{"codec", func(c *record.Config) { c.Codec = decode.VP8 }, `codec: .mp4 takes h264, vp9 or copy, got "vp8"`},
		{"exists", func(c *record.Config) { c.Exists = outfile.Append }, `exists: must be rename, overwrite or fail, got "append"`},
		{"bitrate", func(c *record.Config) { c.Bitrate = -1 }, "bitrate: must not be negative"},
		{"copy", func(c *record.Config) { c.Codec = record.Copy }, ""},
		{"bitrate of a copy", func(c *record.Config) { c.Codec, c.Bitrate = record.Copy, 1 }, "bitrate: is that of an encoder, which codec copy does without"},
		{"segment", func(c *record.Config) { c.Segment = 5 }, "segment: must be 0s, or 1s at least, got 5ns"},
		{"fps", func(c *record.Config) { c.FPS = 0 }, "fps: must be positive, got 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := record.Default()
			cfg.Path = "video.mp4"
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
		Name: "video", Log: slog.New(slog.NewTextHandler(log, nil)),
		Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{},
	}
}

func open(t *testing.T, cfg record.Config, e pipeline.Env) pipeline.Sink {
	t.Helper()
	s, err := record.New(e, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func write(t *testing.T, s pipeline.Sink, pts time.Duration, width, height int) error {
	t.Helper()
	img := pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: width, Height: height})
	f := pipeline.NewFrame(pipeline.Meta{PTS: pts, Width: width, Height: height}, img)
	return errors.Join(s.Write(t.Context(), f), f.Release())
}

// picture is what ffprobe says of one.
type picture struct {
	pts      time.Duration
	keyframe bool
}

// probe decodes a file with the ffmpeg of the machine.
func probe(t *testing.T, path string) (pictures []picture, size string) {
	t.Helper()
	out := ffprobe(t, path, "-show_entries", "frame=pts_time,key_frame", "-of", "csv=p=0:s=x")
	for line := range strings.Lines(out) {
		key, at, found := strings.Cut(strings.TrimSpace(line), "x")
		if !found {
			continue // side data
		}
		seconds, err := strconv.ParseFloat(strings.TrimRight(at, "x"), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		pictures = append(pictures, picture{time.Duration(math.Round(seconds*1000)) * time.Millisecond, key == "1"})
	}
	return pictures, strings.TrimSpace(ffprobe(t, path, "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0:s=x"))
}

func ffprobe(t *testing.T, path string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("no ffprobe on this machine: the recording is not looked at")
	}
	var complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-v", "error", "-select_streams", "v:0", path}, args...)...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("%s: %v: %s", path, err, &complaints)
	}
	return string(out)
}

func TestRecordsEachPictureWhenItCame(t *testing.T) {
	tests := []struct {
		file  string
		codec decode.Codec
	}{{"a.mp4", decode.H264}, {"a.mp4", decode.VP9}, {"a.mkv", decode.H264}, {"a.mkv", decode.VP8}, {"a.mkv", decode.VP9}}
	for _, tt := range tests {
		t.Run(string(tt.codec)+" in "+tt.file, func(t *testing.T) {
			cfg := record.Default()
			cfg.Path, cfg.Codec = outfile.Path(filepath.Join(t.TempDir(), "made", tt.file)), tt.codec
			s := open(t, cfg, env(new(bytes.Buffer)))
			var want []picture // the file begins at 0, whenever it was begun
			for i, at := 0, time.Duration(0); i < 100; i++ {
				if err := write(t, s, at+5*time.Second, 41, 31); err != nil {
					t.Fatal(err)
				}
				want = append(want, picture{pts: at})
				at += time.Duration(10+10*(i%5)) * time.Millisecond
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			got, size := probe(t, string(cfg.Path))
			if want := string(tt.codec) + "x40x30"; size != want {
				t.Errorf("got %s, want %s", size, want)
			}
			sinceKeyframe := time.Duration(0)
			for i := range got {
				if got[i].keyframe {
					sinceKeyframe = got[i].pts
				}
				if d := got[i].pts - sinceKeyframe; d > 1100*time.Millisecond {
					t.Errorf("%s without a keyframe at %s", d, got[i].pts)
				}
				got[i].keyframe = false
			}
			if diff := cmp.Diff(got, want, cmp.AllowUnexported(picture{})); diff != "" {
				t.Errorf("pictures: %s", diff)
			}
		})
	}
}

func TestANewSizeIsANewFile(t *testing.T) {
	dir := t.TempDir()
	cfg := record.Default()
	cfg.Path, cfg.Exists = outfile.Path(filepath.Join(dir, "a.mp4")), outfile.Overwrite
	s := open(t, cfg, env(new(bytes.Buffer)))
	for i, width := range []int{64, 64, 128, 128, 128} {
		if err := write(t, s, time.Duration(i)*40*time.Millisecond, width, 48); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a.mp4": "h264x64x48: 2 pictures", "a-2.mp4": "h264x128x48: 3 pictures"}
	if diff := cmp.Diff(recordings(t, dir), want); diff != "" {
		t.Error(diff)
	}
}

// recordings returns what is in a folder.
func recordings(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // the list of what is kept
		}
		if info, err := e.Info(); err == nil && info.Size() == 0 {
			got[e.Name()] = "empty"
			continue
		}
		pictures, size := probe(t, filepath.Join(dir, e.Name()))
		got[e.Name()] = fmt.Sprintf("%s: %d pictures", size, len(pictures))
	}
	return got
}

func TestAFileThatIsThere(t *testing.T) {
	tests := []struct {
		exists outfile.Exists
		want   map[string]string
		err    string
	}{
		{outfile.Rename, map[string]string{"a.mp4": "empty", "a-2.mp4": "h264x64x48: 1 pictures"}, ""},
		{outfile.Overwrite, map[string]string{"a.mp4": "h264x64x48: 1 pictures"}, ""},
		{outfile.Fail, map[string]string{"a.mp4": "empty"}, "path: open a.mp4: file exists"},
	}
	for _, tt := range tests {
		t.Run(string(tt.exists), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.mp4")
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			cfg := record.Default()
			cfg.Path, cfg.Exists = outfile.Path(path), tt.exists
			s, err := record.New(env(new(bytes.Buffer)), cfg)
			if err == nil {
				err = errors.Join(write(t, s, 0, 64, 48), s.Close())
			}
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), path, "a.mp4")
			}
			if got != tt.err {
				t.Errorf("got %q, want %q", got, tt.err)
			}
			if diff := cmp.Diff(recordings(t, dir), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoPicturesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mp4")
	cfg := record.Default()
	cfg.Path = outfile.Path(path)
	s := open(t, cfg, env(new(bytes.Buffer)))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := record.Default()
	cfg.Path = outfile.Path(file + "/a.mp4")
	_, err := record.New(env(new(bytes.Buffer)), cfg)
	want := "path: mkdir " + file + ": not a directory"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// noise is a picture that no codec makes small: 200 kB and more each.
type noise struct{ seed uint64 }

func (noise) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.I420, Width: 640, Height: 480}
}
func (n noise) Clone() (pipeline.Image, error) { return n, nil }
func (noise) Close() error                     { return nil }

func (n noise) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	_, err := rand.NewChaCha8([32]byte{byte(n.seed), byte(n.seed >> 8)}).Read(unsafe.Slice((*byte)(dst), stride*to.Height*3/2))
	return err
}

const frameTime = 40 * time.Millisecond

func noiseFrame(seq uint64) *pipeline.Frame {
	return pipeline.NewFrame(pipeline.Meta{Seq: seq, PTS: time.Duration(seq) * frameTime}, noise{seq})
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("no small disk can be mounted here (%v): a full one is not tried", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 28<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e := env(&log)
	now := &pipetest.Clock{Time: time.Now()}
	e.Clock = now
	cfg := record.Default()
	cfg.Path = outfile.Path(filepath.Join(dir, "a.mp4"))
	s := open(t, cfg, e)
	seq := uint64(0)
	record := func(n int) (failures []string) {
		for range n {
			f := noiseFrame(seq)
			if err := errors.Join(s.Write(t.Context(), f), f.Release()); err != nil {
				failures = append(failures, err.Error())
			}
			seq++
			now.Add(frameTime)
		}
		return failures
	}

	failures := record(300) // far more than there is room for
	if len(failures) != 1 || !strings.HasPrefix(failures[0], "recording pauses: ") || !strings.HasSuffix(failures[0], "no space left on device") {
		t.Errorf("got %q, want one that says that there is no room", failures)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if failures := record(120); failures != nil {
		t.Errorf("with room again: got %q", failures)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := strings.Count(log.String(), "recording again"); got != 1 {
		t.Errorf("that it goes on is logged %d times: %s", got, &log)
	}
	for _, name := range []string{"a.mp4", "a-2.mp4"} {
		if n := playable(t, filepath.Join(dir, name)); n < 10 {
			t.Errorf("%s has %d pictures", name, n)
		}
	}
}

// playable returns how many pictures can be decoded, of a file that may be cut
// off.
func playable(t *testing.T, path string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "quiet", "-select_streams", "v:0",
		"-show_entries", "frame=key_frame", "-of", "csv=p=0", path).Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no ffprobe on this machine: the recording is not looked at")
	}
	return bytes.Count(out, []byte("0")) + bytes.Count(out, []byte("1"))
}

func TestKilledInTheMiddle(t *testing.T) {
	for _, file := range []string{"a.mp4", "a.mkv"} {
		t.Run(file, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), file)
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), writer+"="+path)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			written := 0
			for lines.Scan() {
				written++
				if written == 80 {
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := cmd.Wait(); err == nil || written < 80 {
				t.Fatalf("it ended by itself after %d pictures: %v", written, err)
			}
			if lost := time.Duration(written-playable(t, path)) * frameTime; lost > time.Second {
				t.Errorf("%s of %d pictures are lost", lost, written)
			}
		})
	}
}

// recordUntilKilled writes a line for each picture that it has recorded.
func recordUntilKilled(path string) {
	cfg := record.Default()
	cfg.Path = outfile.Path(path)
	s, err := record.New(env(new(bytes.Buffer)), cfg)
	for seq := uint64(0); err == nil && seq < 10_000; seq++ {
		err = s.Write(context.Background(), noiseFrame(seq))
		fmt.Println(seq)
	}
	fmt.Fprintln(os.Stderr, "not killed:", err)
	os.Exit(1)
}

func TestSegments(t *testing.T) {
	tests := []struct {
		name   string
		change func(*record.Config)
		want   map[string]string
	}{
		{"by time", func(c *record.Config) { c.Segment = config.Duration(time.Second) }, map[string]string{
			"a.mp4": "h264x64x48: 25 pictures", "a-2.mp4": "h264x64x48: 25 pictures", "a-3.mp4": "h264x64x48: 10 pictures",
		}},
		{"by size", func(c *record.Config) { c.SegmentSize = 1 << 20 }, map[string]string{
			"a.mp4": "h264x64x48: 60 pictures",
		}},
		{"the oldest goes", func(c *record.Config) { c.Segment, c.Keep.Size = config.Duration(time.Second), 1 }, map[string]string{
			"a-3.mp4": "h264x64x48: 10 pictures",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := record.Default()
			cfg.Path = outfile.Path(filepath.Join(dir, "a.mp4"))
			tt.change(&cfg)
			s := open(t, cfg, env(new(bytes.Buffer)))
			for i := range 60 {
				if err := write(t, s, time.Duration(i)*frameTime, 64, 48); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(recordings(t, dir), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSegmentsBySize(t *testing.T) {
	dir := t.TempDir()
	cfg := record.Default()
	cfg.Path, cfg.SegmentSize = outfile.Path(filepath.Join(dir, "a.mp4")), 1
	s := open(t, cfg, env(new(bytes.Buffer)))
	for i := range 3 {
		if err := write(t, s, time.Duration(i)*frameTime, 64, 48); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a.mp4": "h264x64x48: 1 pictures", "a-2.mp4": "h264x64x48: 1 pictures", "a-3.mp4": "h264x64x48: 1 pictures",
	}
	if diff := cmp.Diff(recordings(t, dir), want); diff != "" {
		t.Error(diff)
	}
}
