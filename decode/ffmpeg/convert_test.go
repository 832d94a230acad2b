package ffmpeg_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// ffmpegCommand runs the ffmpeg program, the judge of these tests.
func ffmpegCommand(t testing.TB, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("there is no ffmpeg on PATH")
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, stderr.String())
	}
	return out
}

// first decodes the first picture of a file.
func first(t testing.TB, path string) pipeline.Image {
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
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		var pictures []decode.Picture
		if au == nil {
			pictures, err = d.Flush()
		} else {
			pictures, err = d.Decode(au)
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(pictures) > 0 {
			img := pictures[0].Image
			t.Cleanup(func() { img.Close() })
			for _, p := range pictures[1:] {
				p.Image.Close()
			}
			return img
		}
		if au == nil {
			t.Fatal("there is no picture in it")
		}
	}
}

var colours = []struct {
	name string
	tags []string // for x264
	want pipeline.Format
	// scale is what tells ffmpeg's scaler the matrix and range of its input.
	scale string
}{
	{"undeclared", nil, pipeline.Format{}, "in_color_matrix=bt601:in_range=limited"},
	{"bt601", []string{"-colorspace", "smpte170m", "-color_range", "tv"}, pipeline.Format{}, "in_color_matrix=bt601:in_range=limited"},
	{"bt601 full", []string{"-colorspace", "smpte170m", "-color_range", "pc"}, pipeline.Format{Range: pipeline.Full}, "in_color_matrix=bt601:in_range=full"},
	{"bt709", []string{"-colorspace", "bt709", "-color_range", "tv"}, pipeline.Format{Matrix: pipeline.BT709}, "in_color_matrix=bt709:in_range=limited"},
	{"bt709 full", []string{"-colorspace", "bt709", "-color_range", "pc"}, pipeline.Format{Matrix: pipeline.BT709, Range: pipeline.Full}, "in_color_matrix=bt709:in_range=full"},
	{"bt2020", []string{"-colorspace", "bt2020nc", "-color_range", "tv"}, pipeline.Format{Matrix: pipeline.BT2020}, "in_color_matrix=bt2020:in_range=limited"},
}

// The colours of a converted picture are those of the ffmpeg program, at the
// picture's size and at another.
func TestColours(t *testing.T) {
	testColours(t, "a.mkv", 640, 360, [][2]int{{640, 360}, {301, 171}},
		"-f", "lavfi", "-i", "testsrc2=size=640x360:rate=1", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
}

// So they are of a picture whose size is odd. Of the codecs that have such VP9 says
// which colours they are.
func TestColoursOfOddSizes(t *testing.T) {
	testColours(t, "a.webm", 177, 101, [][2]int{{177, 101}, {320, 182}},
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=1", "-vf", "scale=177:101", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-b:v", "4M")
}

// testColours compares a picture that ffmpeg makes in all colours, at some sizes.
func testColours(t *testing.T, file string, width, height int, sizes [][2]int, args ...string) {
	t.Helper()
	for _, tt := range colours {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), file)
			ffmpegCommand(t, slices.Concat(args, []string{"-frames:v", "1", "-pix_fmt", "yuv420p"}, tt.tags, []string{path})...)
			img := first(t, path)
			want := tt.want
			want.Layout, want.Width, want.Height = pipeline.I420, width, height
			if got := img.Format(); got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			for _, size := range sizes {
				compare(t, img, path, tt.scale, size[0], size[1])
			}
		})
	}
}

// What decoders give besides 4:2:0 of 8 bits converts as well.
func TestRareFormats(t *testing.T) {
	for _, pixFmt := range []string{"yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"} {
		t.Run(pixFmt, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.mkv")
			ffmpegCommand(t, "-f", "lavfi", "-i", "testsrc2=size=322x242:rate=1", "-frames:v", "1", "-pix_fmt", pixFmt, "-c:v", "libx264", "-crf", "10", path)
			img := first(t, path)
			if got, want := img.Format(), (pipeline.Format{Layout: pipeline.Opaque, Width: 322, Height: 242}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			compare(t, img, path, colours[0].scale, 322, 242)
			compare(t, img, path, colours[0].scale, 161, 120)
		})
	}
}

func compare(t *testing.T, img pipeline.Image, path, scale string, w, h int) {
	t.Helper()
	layouts := []struct {
		layout pipeline.Layout
		pixFmt string
		filter string
	}{
		{pipeline.BGR24, "bgr24", ""},
		{pipeline.RGB24, "rgb24", ""},
		{pipeline.Gray8, "gray", ":out_range=full"},
	}
	for _, l := range layouts {
		filter := fmt.Sprintf("scale=%d:%d:flags=bilinear:%s%s", w, h, scale, l.filter)
		want := ffmpegCommand(t, "-i", path, "-frames:v", "1", "-vf", filter, "-f", "rawvideo", "-pix_fmt", l.pixFmt, "-")
		got := convert(t, img, pipeline.Format{Layout: l.layout, Width: w, Height: h})
		if e := meanError(got, want); e >= 1.5 {
			t.Errorf("%s %dx%d: differs by %.2f levels", l.layout, w, h, e)
		}
	}
}

// Every size converts whole, into memory without padding and without touching
// what follows it.
func TestOddSizes(t *testing.T) {
	const guard = 0xa5
	for _, size := range [][2]int{{1, 1}, {2, 2}, {3, 5}, {7, 8}, {8, 7}, {17, 33}, {31, 30}, {32, 32}, {33, 31}, {64, 48}, {96, 97}, {101, 99}, {322, 243}} {
		w, h := size[0], size[1]
		path := filepath.Join(t.TempDir(), "a.mkv")
		ffmpegCommand(t, "-f", "lavfi", "-i", fmt.Sprintf("color=c=0x3080d0:size=64x64:rate=1,scale=%d:%d", w, h),
			"-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "libvpx", "-b:v", "4M", path)
		img := first(t, path)
		for _, to := range []pipeline.Format{
			{Layout: pipeline.BGR24, Width: w, Height: h},
			{Layout: pipeline.RGB24, Width: w, Height: h},
			{Layout: pipeline.Gray8, Width: w, Height: h},
			{Layout: pipeline.I420, Width: w, Height: h},
			{Layout: pipeline.NV12, Width: w, Height: h},
			{Layout: pipeline.BGR24, Width: 2*w + 1, Height: 2*h + 1},
			{Layout: pipeline.Gray8, Width: w/2 + 1, Height: h/2 + 1},
			{Layout: pipeline.BGR24, Width: 32, Height: 31},
			{Layout: pipeline.I420, Width: 64, Height: 31},
			{Layout: pipeline.NV12, Width: 32, Height: 31},
			{Layout: pipeline.Gray8, Width: 32, Height: 31},
			{Layout: pipeline.BGR24, Width: 96, Height: 30},
			{Layout: pipeline.I420, Width: 2*w + 1, Height: h},
			{Layout: pipeline.NV12, Width: 2*w + 1, Height: h},
		} {
			t.Run(fmt.Sprintf("%dx%d to %s", w, h, to), func(t *testing.T) {
				stride, n := layout(to)
				buf := bytes.Repeat([]byte{guard}, n+64)
				if err := img.(pipeline.Converter).ConvertTo(pointer(buf), stride, to); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(buf[n:], bytes.Repeat([]byte{guard}, 64)) {
					t.Errorf("wrote behind the picture: %x", buf[n:])
				}
				checkFlat(t, buf, stride, to)
			})
		}
	}
}

// checkFlat checks that a picture of one colour, 0x3080d0, is that all over.
func checkFlat(t *testing.T, buf []byte, stride int, to pipeline.Format) {
	t.Helper()
	pixel, channels := []int{0xd0, 0x80, 0x30}, 3
	switch to.Layout {
	case pipeline.RGB24:
		pixel = []int{0x30, 0x80, 0xd0}
	case pipeline.Gray8:
		pixel, channels = []int{0x71}, 1
	case pipeline.I420, pipeline.NV12:
		pixel, channels = []int{0x71}, 1
		pixel[0] = 16 + pixel[0]*219/255
	}
	for y := range to.Height {
		for x := range to.Width * channels {
			got, want := int(buf[y*stride+x]), pixel[x%channels]
			if got < want-16 || want+16 < got {
				t.Fatalf("row %d, byte %d: got %d, want %d", y, x, got, want)
			}
		}
	}
}

// A picture in its own format is a copy; another declared colour is converted
// for it.
func TestPlanarCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mkv")
	ffmpegCommand(t, "-f", "lavfi", "-i", "testsrc2=size=322x242:rate=1", "-frames:v", "1", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-colorspace", "bt709", "-color_range", "pc", path)
	img := first(t, path)
	f := img.Format()
	want := ffmpegCommand(t, "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-")
	if got := convert(t, img, f); meanError(got, want) != 0 {
		t.Errorf("the copy differs by %.2f levels", meanError(got, want))
	}
	f.Matrix, f.Range = pipeline.BT601, pipeline.Limited
	want = ffmpegCommand(t, "-i", path, "-frames:v", "1", "-vf", "scale=in_color_matrix=bt709:in_range=full:out_color_matrix=bt601:out_range=limited",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	if e := meanError(convert(t, img, f), want); e >= 1.5 {
		t.Errorf("BT.601 limited differs by %.2f levels", e)
	}
}

func TestConvertRefuses(t *testing.T) {
	d := newDecoder(t, ffmpeg.Config{Codec: decode.VP8})
	pictures, err := d.Decode(unit(decode.VP8, clip(t, video(decode.VP8, 320, 240), 1)[0]))
	if err != nil || len(pictures) != 1 {
		t.Fatalf("got %d pictures, %v", len(pictures), err)
	}
	img := pictures[0].Image.(*ffmpeg.Image)
	buf := make([]byte, 16)
	tests := []struct {
		to     pipeline.Format
		stride int
		want   string
	}{
		{pipeline.Format{Layout: pipeline.BGR24, Width: 320, Height: 240}, 320, "convert to bgr24 320x240: the stride must be at least 960, got 320"},
		{pipeline.Format{Layout: pipeline.NV12, Width: 3, Height: 1}, 3, "convert to nv12 3x1: the stride must be at least 4, got 3"},
		{pipeline.Format{Layout: pipeline.BGR24}, 320, "convert to bgr24 0x0: the size must be positive"},
		{pipeline.Format{Layout: pipeline.Opaque, Width: 1, Height: 1}, 320, "convert to opaque 1x1: the layout is no destination"},
	}
	for _, tt := range tests {
		if err := img.ConvertTo(pointer(buf), tt.stride, tt.to); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	img.Close()
	if err := img.ConvertTo(pointer(buf), 16, pipeline.Format{Layout: pipeline.Gray8, Width: 1, Height: 1}); err == nil {
		t.Error("converts a closed image")
	}
}

// Pictures of several sizes convert on several goroutines at once.
func TestConcurrentConversions(t *testing.T) {
	d := newDecoder(t, ffmpeg.Config{Codec: decode.VP8})
	pictures, err := d.Decode(unit(decode.VP8, clip(t, video(decode.VP8, 320, 240), 1)[0]))
	if err != nil || len(pictures) != 1 {
		t.Fatalf("got %d pictures, %v", len(pictures), err)
	}
	img := pictures[0].Image
	defer img.Close()
	want := convert(t, img, pipeline.Format{Layout: pipeline.BGR24, Width: 320, Height: 240})
	t.Run("all", func(t *testing.T) {
		for i := range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for n := range 20 {
					convert(t, img, pipeline.Format{Layout: pipeline.BGR24, Width: 100 + 10*i + n, Height: 100})
					if got := convert(t, img, pipeline.Format{Layout: pipeline.BGR24, Width: 320, Height: 240}); !bytes.Equal(got, want) {
						t.Fatal("the picture is another")
					}
				}
			})
		}
	})
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
