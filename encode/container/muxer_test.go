package container_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// victim names, in the environment, the file that a process is to write until
// it is killed.
const victim = "REACTORPIPE_TEST_VICTIM"

func TestMain(m *testing.M) {
	decoder.Silence()
	if path := os.Getenv(victim); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

const width, height, fps = 160, 120, 30

// frame is an image whose luma is its number.
type frame struct{ n int }

func (frame) Format() pipeline.Format          { return pipeline.Format{Layout: pipeline.Opaque} }
func (f frame) Clone() (pipeline.Image, error) { return f, nil }
func (frame) Close() error                     { return nil }

func (f frame) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	b := unsafe.Slice((*byte)(dst), stride*to.Height*3/2)
	for i := range b {
		b[i] = 128
	}
	for i := range stride * to.Height {
		b[i] = f.luma()
	}
	return nil
}

func (f frame) luma() byte { return byte(20 + f.n%200) }

func newEncoder(codec decode.Codec, interval time.Duration) (encode.Encoder, error) {
	return encoder.New(encode.Config{Codec: codec, Width: width, Height: height, FPS: fps, Bitrate: 300_000, KeyframeInterval: interval})
}

func packets(t *testing.T, codec decode.Codec, interval time.Duration, n int) []encode.Packet {
	t.Helper()
	e, err := newEncoder(codec, interval)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var out []encode.Packet
	for i := range n {
		ps, err := e.Encode(frame{i}, pts(i), false)
		if err != nil || len(ps) != 1 {
			t.Fatalf("got %d packets, %v", len(ps), err)
		}
		p := ps[0]
		p.Data = append([]byte(nil), p.Data...)
		out = append(out, p)
	}
	return out
}

// pts does not begin at zero: a file begins whenever it does.
func pts(n int) time.Duration { return time.Minute + time.Duration(n)*time.Second/fps }

func config(codec decode.Codec) container.Config {
	return container.Config{Codec: codec, Width: width, Height: height, FPS: fps}
}

// play decodes what is in the file and checks each picture's number and time.
// It returns how many there are.
func play(t *testing.T, path string) int {
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
	n := 0
	check := func(pictures []decode.Picture) {
		for _, p := range pictures {
			checkPicture(t, p, n)
			n++
		}
	}
	for {
		au, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		pictures, err := d.Decode(au)
		if err != nil {
			t.Fatalf("unit at %s: %v", au.PTS, err)
		}
		check(pictures)
	}
	pictures, err := d.Flush()
	if err != nil {
		t.Fatal(err)
	}
	check(pictures)
	return n
}

func checkPicture(t *testing.T, p decode.Picture, n int) {
	t.Helper()
	defer p.Image.Close()
	const tolerance = time.Millisecond // mkv's time base
	if d := (p.Unit.PTS - (pts(n) - pts(0))).Abs(); d > tolerance {
		t.Errorf("picture %d is at %s", n, p.Unit.PTS)
	}
	luma, _ := p.Image.(pipeline.Planar).Plane(0)
	got, want := int(*(*byte)(luma)), int(frame{n}.luma())
	if got < want-4 || want+4 < got {
		t.Errorf("picture %d is another: luma %d, want %d", n, got, want)
	}
}

var files = []struct {
	extension string
	codec     decode.Codec
}{
	{".mp4", decode.H264},
	{".mp4", decode.VP9},
	{".mkv", decode.VP8},
	{".mkv", decode.VP9},
	{".mkv", decode.H264},
}

func TestWrite(t *testing.T) {
	for _, tt := range files {
		t.Run(string(tt.codec)+tt.extension, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a"+tt.extension)
			m, err := container.Create(path, config(tt.codec))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range packets(t, tt.codec, time.Second, 70) {
				if err := m.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(m.Close(), m.Close()); err != nil {
				t.Fatal(err)
			}
			if n := play(t, path); n != 70 {
				t.Errorf("got %d pictures, want 70", n)
			}
		})
	}
}

// A file that is still being written plays, but for its last second, also
// where no keyframe divides it.
func TestUnfinished(t *testing.T) {
	for _, tt := range files {
		for _, interval := range []time.Duration{0, time.Second} {
			t.Run(fmt.Sprintf("%s%s/%s", tt.codec, tt.extension, interval), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a"+tt.extension)
				m, err := container.Create(path, config(tt.codec))
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				const n = 100
				for _, p := range packets(t, tt.codec, interval, n) {
					if err := m.Write(p); err != nil {
						t.Fatal(err)
					}
				}
				if got := play(t, path); got < n-fps {
					t.Errorf("got %d pictures of %d", got, n)
				}
			})
		}
	}
}

func TestKilled(t *testing.T) {
	for _, tt := range files {
		t.Run(string(tt.codec)+tt.extension, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a"+tt.extension)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), victim+"="+path, victim+"_CODEC="+string(tt.codec))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			written := 0
			for lines := bufio.NewScanner(out); written < 100 && lines.Scan(); {
				written++
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the process ended by itself")
			}
			if got := play(t, path); got < written-fps {
				t.Errorf("got %d pictures of %d", got, written)
			}
			if _, got := heard(t, path); got < pts(written-fps)-pts(0) {
				t.Errorf("got %v of sound, of %d pictures", got, written)
			}
		})
	}
}

// writeForever writes a file, with silence for its sound, and a line to standard output for each picture.
func writeForever(path string) {
	codec := decode.Codec(os.Getenv(victim + "_CODEC"))
	cfg := config(codec)
	cfg.Audio = true
	m, err := container.Create(path, cfg)
	exitOn(err)
	e, err := newEncoder(codec, time.Second)
	exitOn(err)
	for i, heard := 0, pts(0); ; i++ {
		for ; i > 0 && heard < pts(i); heard += encode.SoundLength {
			a := pipeline.Audio{Codec: "opus", Data: []byte{0xf8, 0xff, 0xfe}, PTS: heard, Duration: encode.SoundLength}
			exitOn(m.WriteAudio(a))
		}
		ps, err := e.Encode(frame{i}, pts(i), false)
		exitOn(err)
		for _, p := range ps {
			exitOn(m.Write(p))
			_, err := fmt.Println(i)
			exitOn(err)
		}
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestFullDisk(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no " + full)
	}
	for _, tt := range files {
		t.Run(string(tt.codec)+tt.extension, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a"+tt.extension)
			if err := os.Symlink(full, path); err != nil {
				t.Fatal(err)
			}
			m, err := container.Create(path, config(tt.codec))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range packets(t, tt.codec, time.Second, 60) {
				if err = m.Write(p); err != nil {
					break
				}
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got %v", err)
			}
			m.Close()
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	good := config(decode.H264)
	small := good
	small.Width = 0
	tests := []struct {
		path string
		cfg  container.Config
		want string
	}{
		{"a.avi", good, `extension: must be .mp4 or .mkv, got ".avi"`},
		{"a", good, `extension: must be .mp4 or .mkv, got ""`},
		{"a.mp4", config(decode.VP8), `codec: mp4 takes h264, vp9, got "vp8"`},
		{"a.mkv", config(decode.Opus), `codec: matroska takes vp8, vp9, h264, got "opus"`},
		{"a.mp4", small, "width, height, fps: must be positive, got 0, 120, 30"},
		{"no/such/folder/a.mp4", good, "no such file or directory"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, tt.path)
		_, err := container.Create(path, tt.cfg)
		if want := fmt.Sprintf("create %s: %s", path, tt.want); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	ps := packets(t, decode.H264, 0, 3)
	bare := ps[0]
	bare.Data = []byte{0, 0, 1, 0x65, 0x88}
	path := filepath.Join(t.TempDir(), "a.mp4")
	m, err := container.Create(path, config(decode.H264))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		packet encode.Packet
		want   string
	}{
		{ps[1], "the first packet must be a keyframe"},
		{bare, "the first keyframe has no parameter sets"},
		{ps[0], ""},
		{ps[1], ""},
		{ps[1], "pts must grow: got 1m0.033333s after 1m0.033333s"},
		{encode.Packet{PTS: time.Hour}, "the packet is empty"},
		{ps[2], ""},
	}
	for i, tt := range tests {
		want := tt.want
		if want != "" {
			want = fmt.Sprintf("write %s: %s", path, want)
		}
		got := ""
		if err := m.Write(tt.packet); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d: got %q, want %q", i, got, want)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Write(ps[0]); err == nil {
		t.Error("wrote into a closed file")
	}
	if n := play(t, path); n != 3 {
		t.Errorf("got %d pictures, want 3", n)
	}
}
