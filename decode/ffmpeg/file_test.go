package ffmpeg_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

// Two seconds of a picture in all kinds of files: every picture comes, in
// order, and comes again after a rewind.
func TestFile(t *testing.T) {
	tests := []struct {
		name  string
		file  string
		args  []string
		codec decode.Codec
	}{
		{"H.264 with B-frames in mp4", "a.mp4", []string{"-c:v", "libx264", "-bf", "2", "-g", "10"}, decode.H264},
		{"H.264 in mkv", "a.mkv", []string{"-c:v", "libx264", "-tune", "zerolatency"}, decode.H264},
		{"H.264 as it is", "a.h264", []string{"-c:v", "libx264", "-tune", "zerolatency"}, decode.H264},
		{"H.265 in mp4", "a.mp4", []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"}, decode.H265},
		{"VP8 in webm", "a.webm", []string{"-c:v", "libvpx", "-deadline", "realtime"}, decode.VP8},
		{"VP9 in mkv", "a.mkv", []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"}, decode.VP9},
		{"MPEG-4 in avi", "a.avi", []string{"-c:v", "mpeg4", "-bf", "2"}, "mpeg4"},
		{"MJPEG in mov", "a.mov", []string{"-c:v", "mjpeg", "-pix_fmt", "yuvj420p"}, "mjpeg"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			args := []string{"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=2", "-pix_fmt", "yuv420p"}
			ffmpegCommand(t, append(append(args, tt.args...), path)...)
			f, err := ffmpeg.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Codec() != tt.codec {
				t.Errorf("got codec %q, want %q", f.Codec(), tt.codec)
			}
			if w, h := f.Size(); w != 160 || h != 120 {
				t.Errorf("got %dx%d", w, h)
			}
			if fps := f.FPS(); fps < 9 || fps > 26 { // an elementary stream has none
				t.Errorf("got %g fps", fps)
			}
			d, err := f.NewDecoder(ffmpeg.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			once := playFile(t, f, d)
			if len(once) != 20 {
				t.Fatalf("got %d pictures, want 20", len(once))
			}
			if err := f.Rewind(); err != nil {
				t.Fatal(err)
			}
			for i, p := range playFile(t, f, d) {
				if !bytes.Equal(p, once[i]) {
					t.Errorf("picture %d is another after a rewind", i)
				}
			}
		})
	}
}

// playFile returns the pixels of what follows in a file, checking that times
// grow.
func playFile(t *testing.T, f *ffmpeg.File, d decode.Decoder) [][]byte {
	t.Helper()
	var out [][]byte
	last := -time.Second
	take := func(pictures []decode.Picture, err error) {
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pictures {
			if p.Unit.PTS <= last || p.Unit.PTS > last+1200*time.Millisecond {
				t.Errorf("picture %d: got PTS %s after %s", len(out), p.Unit.PTS, last)
			}
			last = p.Unit.PTS
			out = append(out, convert(t, p.Image, p.Image.Format()))
			p.Image.Close()
		}
	}
	for {
		au, err := f.Next()
		if errors.Is(err, io.EOF) {
			take(d.Flush())
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		take(d.Decode(au))
	}
}

func TestOpenFileRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.mp4")
	writeFile(t, text, []byte("this is no video at all"))
	audio := filepath.Join(dir, "audio.wav")
	ffmpegCommand(t, "-f", "lavfi", "-i", "sine=duration=0.1", audio)
	missing := filepath.Join(dir, "missing.mp4")
	tests := []struct{ path, want string }{
		{missing, "open " + missing + ": no such file or directory"},
		{text, "open " + text + ": Invalid data found when processing input"},
		{audio, "open " + audio + ": there is no video in it"},
	}
	for _, tt := range tests {
		if _, err := ffmpeg.OpenFile(tt.path); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
