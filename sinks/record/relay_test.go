package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
	"github.com/reactorpipe/reactorpipe/sinks/record"
)

// unitsOf encodes n pictures, with a keyframe every interval.
func unitsOf(t *testing.T, codec decode.Codec, interval time.Duration, n, width int) []pipeline.Unit {
	t.Helper()
	e, err := encoder.New(encode.Config{Codec: codec, Width: width, Height: 48, FPS: 25, KeyframeInterval: interval})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var all []pipeline.Unit
	for i := range n {
		img := pipetest.NewPicture(t, pipeline.Format{Layout: pipeline.I420, Width: width, Height: 48})
		packets, err := e.Encode(img, time.Duration(i)*frameTime, false)
		if err = errors.Join(err, img.Close()); err != nil || len(packets) != 1 {
			t.Fatalf("%d packets, %v", len(packets), err)
		}
		all = append(all, pipeline.Unit{
			Codec: string(codec), Data: bytes.Clone(packets[0].Data),
			PTS: time.Duration(i) * frameTime, Keyframe: packets[0].Keyframe,
		})
	}
	return all
}

// relay records units; asks is how often a keyframe was asked for.
func relay(t *testing.T, s pipeline.Sink, units []pipeline.Unit) (asks int, failures []string) {
	t.Helper()
	for _, u := range units {
		err := s.(pipeline.UnitSink).WriteUnit(t.Context(), u)
		switch {
		case errors.Is(err, pipeline.ErrNeedKeyframe):
			asks++
		case err != nil:
			failures = append(failures, err.Error())
		}
	}
	return asks, failures
}

func later(units []pipeline.Unit, d time.Duration) []pipeline.Unit {
	for i := range units {
		units[i].PTS += d
	}
	return units
}

func TestCopies(t *testing.T) {
	tests := []struct {
		name   string
		file   string
		change func(*record.Config)
		units  func(t *testing.T) []pipeline.Unit
		asks   int
		want   map[string]string
	}{
		{"vp8", "a.mkv", nil, func(t *testing.T) []pipeline.Unit { return unitsOf(t, decode.VP8, 0, 50, 64) }, 0, map[string]string{"a.mkv": "vp8x64x48: 50 pictures"}},
		{"vp9", "a.mkv", nil, func(t *testing.T) []pipeline.Unit { return unitsOf(t, decode.VP9, 0, 50, 64) }, 0, map[string]string{"a.mkv": "vp9x64x48: 50 pictures"}},
		{"h264", "a.mp4", nil, func(t *testing.T) []pipeline.Unit { return unitsOf(t, decode.H264, 0, 50, 64) }, 0, map[string]string{"a.mp4": "h264x64x48: 50 pictures"}},
		{"from a keyframe on", "a.mkv", nil, func(t *testing.T) []pipeline.Unit {
			return unitsOf(t, decode.VP8, time.Second, 50, 64)[20:]
		}, 5, map[string]string{"a.mkv": "vp8x64x48: 25 pictures"}},
		{"another size", "a.mkv", nil, func(t *testing.T) []pipeline.Unit {
			return append(unitsOf(t, decode.VP8, 0, 10, 64), later(unitsOf(t, decode.VP8, 0, 20, 128), time.Second)...)
		}, 0, map[string]string{"a.mkv": "vp8x64x48: 10 pictures", "a-2.mkv": "vp8x128x48: 20 pictures"}},
		{"another codec", "a.mkv", nil, func(t *testing.T) []pipeline.Unit {
			return append(unitsOf(t, decode.VP8, 0, 10, 64), later(unitsOf(t, decode.H264, 0, 20, 64), time.Second)...)
		}, 0, map[string]string{"a.mkv": "vp8x64x48: 10 pictures", "a-2.mkv": "h264x64x48: 20 pictures"}},
		// The sender is asked for a keyframe from one second on, and gives one
		// 200 ms later.
		{"segments", "a.mkv", func(c *record.Config) { c.Segment = config.Duration(time.Second) }, func(t *testing.T) []pipeline.Unit {
			return unitsOf(t, decode.VP8, 1200*time.Millisecond, 60, 64)
		}, 10, map[string]string{"a.mkv": "vp8x64x48: 30 pictures", "a-2.mkv": "vp8x64x48: 30 pictures"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := record.Default()
			cfg.Path, cfg.Codec = outfile.Path(filepath.Join(dir, tt.file)), record.Copy
			if tt.change != nil {
				tt.change(&cfg)
			}
			s := open(t, cfg, env(new(bytes.Buffer)))
			asks, failures := relay(t, s, tt.units(t))
			if failures != nil {
				t.Error(failures)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(recordings(t, dir), tt.want); diff != "" {
				t.Error(diff)
			}
			if asks != tt.asks {
				t.Errorf("asked for a keyframe %d times, want %d", asks, tt.asks)
			}
		})
	}
}

func TestCopyOfACodecThatTheFileCannotHold(t *testing.T) {
	cfg := record.Default()
	cfg.Path, cfg.Codec = outfile.Path(filepath.Join(t.TempDir(), "a.mp4")), record.Copy
	s := open(t, cfg, env(new(bytes.Buffer)))
	err := s.(pipeline.UnitSink).WriteUnit(t.Context(), unitsOf(t, decode.VP8, 0, 1, 64)[0])
	want := fmt.Sprintf("path: a file such as %s holds no vp8; .mkv does: fatal", cfg.Path)
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCopyOntoAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no small disk can be mounted here (%v): a full one is not tried", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 16<<20), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	e := env(log)
	now := &pipetest.Clock{Time: time.Now()}
	e.Clock = now
	cfg := record.Default()
	cfg.Path, cfg.Codec = outfile.Path(filepath.Join(dir, "a.mkv")), record.Copy
	s := open(t, cfg, e)
	units := unitsOf(t, decode.VP8, time.Second, 250, 64)
	_, failures := relay(t, s, units[:100])
	if len(failures) != 1 || !strings.HasPrefix(failures[0], "recording pauses: ") || !strings.HasSuffix(failures[0], "no space left on device") {
		t.Errorf("got %q", failures)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	now.Add(time.Minute)
	if _, failures := relay(t, s, units[100:]); failures != nil {
		t.Errorf("with room again: %q", failures)
	}
	if got := strings.Count(log.String(), "recording again"); got != 1 {
		t.Errorf("that it goes on is logged %d times: %s", got, log)
	}
}

// Without keyframes in between, too, and with sound beside the picture, a kill
// costs a second of either at most.
func TestCopyKilledInTheMiddle(t *testing.T) {
	for _, tt := range []struct {
		file  string
		codec decode.Codec
		audio bool
	}{{"a.mkv", decode.VP8, false}, {"a.mkv", decode.VP8, true}, {"a.mp4", decode.H264, false}, {"a.mp4", decode.H264, true}} {
		t.Run(fmt.Sprintf("%s sound %t", tt.file, tt.audio), func(t *testing.T) {
			// What a killed process leaves is what another one sees just now.
			path := filepath.Join(t.TempDir(), tt.file)
			cfg := record.Default()
			cfg.Path, cfg.Codec = outfile.Path(path), record.Copy
			e := env(new(bytes.Buffer))
			e.Audio = tt.audio
			s := open(t, cfg, e)
			for _, u := range unitsOf(t, tt.codec, 0, 100, 64) {
				if tt.audio {
					hush(t, s, u.PTS)
				}
				if _, failures := relay(t, s, []pipeline.Unit{u}); failures != nil {
					t.Fatal(failures)
				}
			}
			if _, err := exec.LookPath("ffprobe"); err != nil {
				t.Skip("no ffprobe on this machine: the recording is not looked at")
			}
			const all = 100 * frameTime
			if lost := all - time.Duration(playable(t, path))*frameTime; lost > time.Second {
				t.Errorf("%s of pictures are lost", lost)
			}
			if !tt.audio {
				return
			}
			if lost := all - soundOf(t, path); lost > time.Second {
				t.Errorf("%s of sound are lost", lost)
			}
		})
	}
}

// hush writes silence as long as a picture.
func hush(t *testing.T, s pipeline.Sink, pts time.Duration) {
	t.Helper()
	const packet = 20 * time.Millisecond
	for at := pts; at < pts+frameTime; at += packet {
		a := pipeline.Audio{Codec: "opus", Data: []byte{31 << 3, 0xff, 0xfe}, PTS: at, Duration: packet}
		if err := s.(pipeline.AudioSink).WriteAudio(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

// soundOf returns how much sound a file has that may have no end.
func soundOf(t *testing.T, path string) (length time.Duration) {
	t.Helper()
	f, err := decoder.OpenSoundFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s, err := f.Next(); err == nil; s, err = f.Next() {
		length = s.PTS + s.Duration()
	}
	return length
}
