package clip_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/clip"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

func TestMain(m *testing.M) {
	decoder.Silence()
	goleak.VerifyTestMain(m)
}

// The sink gets a keyframe before pipetest's first frame.
func TestSink(t *testing.T) {
	keyframe := units(t, decode.VP8, time.Second, 1, 64)[0]
	pipetest.Sink(t, pipetest.Case{
		Kind: "clip", Config: "path: " + filepath.Join(t.TempDir(), "a.mkv"),
		Register: func(r *pipeline.Registry) {
			pipeline.RegisterSink(r, pipeline.SinkKind[clip.Config]{
				Name: "clip", Default: clip.Default,
				New: func(env pipeline.Env, cfg clip.Config) (pipeline.Sink, error) {
					s, err := clip.New(env, cfg)
					if err == nil {
						err = s.(pipeline.UnitSink).WriteUnit(t.Context(), keyframe)
					}
					return s, err
				},
			})
		},
	})
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*clip.Config)
		want   string
	}{
		{"default", func(*clip.Config) {}, ""},
		{"no path", func(c *clip.Config) { c.Path = "" }, "path: is required"},
		{"extension", func(c *clip.Config) { c.Path = "a.avi" }, `path: must end in .mp4 or .mkv, got "a.avi"`},
		{"exists", func(c *clip.Config) { c.Exists = outfile.Append }, `exists: must be rename, overwrite or fail, got "append"`},
		{"before", func(c *clip.Config) { c.Before = 0 }, "before: must be positive, got 0s"},
		{"memory", func(c *clip.Config) { c.Memory = 1 }, "memory: must be 1MiB at least, got 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := clip.Default()
			cfg.Path = "a.mkv"
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

const frameTime = 100 * time.Millisecond

// units encodes n pictures of 100 ms, with a keyframe every interval.
func units(t *testing.T, codec decode.Codec, interval time.Duration, n, width int) []pipeline.Unit {
	t.Helper()
	e, err := encoder.New(encode.Config{Codec: codec, Width: width, Height: 48, FPS: 10, KeyframeInterval: interval})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var all []pipeline.Unit
	for i := range n {
		img := pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: width, Height: 48})
		pts := time.Duration(i) * frameTime
		packets, err := e.Encode(img, pts, false)
		if err = errors.Join(err, img.Close()); err != nil || len(packets) != 1 {
			t.Fatalf("%d packets, %v", len(packets), err)
		}
		all = append(all, pipeline.Unit{
			Codec: string(codec), Data: bytes.Clone(packets[0].Data), PTS: pts, Keyframe: packets[0].Keyframe,
		})
	}
	return all
}

// rig is a sink and what it says.
type rig struct {
	t    *testing.T
	dir  string
	sink pipeline.UnitSink
	asks int // for keyframes
}

func newRig(t *testing.T, file string, change func(*clip.Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	cfg := clip.Default()
	cfg.Path = outfile.Path(filepath.Join(r.dir, file))
	cfg.Before, cfg.After = config.Duration(time.Second), config.Duration(time.Second)
	if change != nil {
		change(&cfg)
	}
	s, err := clip.New(pipeline.Env{
		Name: "clip", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{},
	}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.sink = s.(pipeline.UnitSink)
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.sink.Close(); err != nil {
		r.t.Error(err)
	}
}

// feed writes units, and an event at each of the PTS.
func (r *rig) feed(all []pipeline.Unit, events ...time.Duration) (failures []string) {
	r.t.Helper()
	for _, u := range all {
		err := r.sink.WriteUnit(r.t.Context(), u)
		if errors.Is(err, pipeline.ErrNeedKeyframe) {
			r.asks++
			err = nil
		}
		for _, at := range events {
			if err == nil && at == u.PTS {
				err = r.sink.Write(r.t.Context(), pipeline.NewFrame(pipeline.Meta{PTS: at}, nil))
			}
		}
		if err != nil {
			failures = append(failures, err.Error())
		}
	}
	return failures
}

// clips returns how many pictures the files hold; each has to decode.
func (r *rig) clips() map[string]int {
	r.t.Helper()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	got := make(map[string]int)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			got[e.Name()] = play(r.t, filepath.Join(r.dir, e.Name()))
		}
	}
	return got
}

func play(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := decoder.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.NewDecoder(decoder.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for {
		au, err := f.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		pictures, err := d.Decode(au)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pictures {
			n++
			p.Image.Close()
		}
	}
}

func TestClips(t *testing.T) {
	tests := []struct {
		name     string
		codec    decode.Codec
		file     string
		interval time.Duration
		events   []time.Duration
		want     map[string]int
	}{
		// From the keyframe at 3.5 s, which is the last one second before.
		{"vp8", decode.VP8, "a.mkv", 500 * time.Millisecond, []time.Duration{4600 * time.Millisecond}, map[string]int{"a.mkv": 22}},
		{"h264", decode.H264, "a.mp4", 500 * time.Millisecond, []time.Duration{4600 * time.Millisecond}, map[string]int{"a.mp4": 22}},
		{"vp9", decode.VP9, "a.mp4", 500 * time.Millisecond, []time.Duration{4600 * time.Millisecond}, map[string]int{"a.mp4": 22}},
		{"at once", decode.VP8, "a.mkv", 500 * time.Millisecond, []time.Duration{0}, map[string]int{"a.mkv": 11}},
		{"at the end", decode.VP8, "a.mkv", 500 * time.Millisecond, []time.Duration{9900 * time.Millisecond}, map[string]int{"a.mkv": 15}},
		{"two", decode.VP8, "a.mkv", 500 * time.Millisecond, []time.Duration{2 * time.Second, 5 * time.Second}, map[string]int{"a.mkv": 21, "a-2.mkv": 21}},
		{"one goes on", decode.VP8, "a.mkv", 500 * time.Millisecond, []time.Duration{2 * time.Second, 2500 * time.Millisecond}, map[string]int{"a.mkv": 26}},
		{"one keyframe", decode.VP8, "a.mkv", 0, []time.Duration{5 * time.Second}, map[string]int{"a.mkv": 61}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.file, nil)
			if failures := r.feed(units(t, tt.codec, tt.interval, 100, 64), tt.events...); failures != nil {
				t.Error(failures)
			}
			r.close()
			if diff := cmp.Diff(r.clips(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where keyframes are rare the sender is asked for one, and where there is none
// at all, too.
func TestAsksForKeyframes(t *testing.T) {
	all := units(t, decode.VP8, 0, 30, 64)
	r := newRig(t, "a.mkv", nil)
	r.feed(all)
	if r.asks != 20 {
		t.Errorf("asked %d times, want 20", r.asks)
	}
	r = newRig(t, "a.mkv", nil)
	failures := r.feed(all[1:], time.Second)
	if r.asks != 29 {
		t.Errorf("asked %d times, want 29", r.asks)
	}
	if diff := cmp.Diff(failures, []string{"there is no keyframe yet that a clip could begin with"}); diff != "" {
		t.Error(diff)
	}
}

// Memory is bounded, whatever comes.
func TestMemory(t *testing.T) {
	r := newRig(t, "a.mkv", func(c *clip.Config) { c.Memory, c.Before = 1<<20, config.Duration(time.Hour) })
	all := units(t, decode.VP8, 0, 20, 64)
	for i := range all {
		all[i].Data = append(all[i].Data, make([]byte, 100_000)...)
	}
	r.feed(all)
	if err := r.sink.Write(t.Context(), pipeline.NewFrame(pipeline.Meta{PTS: 2 * time.Second}, nil)); err == nil {
		t.Error("what was beyond the bound is there still")
	}
}

func TestNewSizeEndsTheClip(t *testing.T) {
	r := newRig(t, "a.mkv", nil)
	small, large := units(t, decode.VP8, time.Second, 30, 64), units(t, decode.VP8, time.Second, 30, 128)
	r.feed(small, 2500*time.Millisecond)
	for i := range large {
		large[i].PTS += 3 * time.Second
	}
	r.feed(large)
	if diff := cmp.Diff(r.clips(), map[string]int{"a.mkv": 20}); diff != "" {
		t.Error(diff)
	}
}

func TestCodecThatTheFileCannotHold(t *testing.T) {
	r := newRig(t, "a.mp4", nil)
	got := r.feed(units(t, decode.VP8, time.Second, 10, 64), 500*time.Millisecond)
	want := []string{fmt.Sprintf("path: a file such as %s/a.mp4 holds no vp8; .mkv does", r.dir)}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// A full disk costs the clips of the events meanwhile, each with one error.
func TestFullDisk(t *testing.T) {
	r := newRig(t, "disk/a.mkv", nil)
	disk := filepath.Join(r.dir, "disk")
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk can be mounted here (%v): a full one is not tried", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	other := filepath.Join(disk, "other")
	if err := os.WriteFile(other, make([]byte, 64<<10), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	all := units(t, decode.VP8, 500*time.Millisecond, 100, 64)
	failures := r.feed(all[:50], time.Second, 2*time.Second)
	if len(failures) != 1 || !strings.HasSuffix(failures[0], "no space left on device") {
		t.Errorf("got %q", failures)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if failures := r.feed(all[50:], 7*time.Second); failures != nil {
		t.Error(failures)
	}
	r.close()
	if n := play(t, filepath.Join(disk, "a.mkv")); n != 21 {
		t.Errorf("%d pictures, want 21", n)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := clip.Default()
	cfg.Path = outfile.Path(file + "/a.mkv")
	_, err := clip.New(pipeline.Env{Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}}, cfg)
	want := "path: mkdir " + file + ": not a directory"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}
