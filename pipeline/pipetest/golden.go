package pipetest

import (
	"bytes"
	"errors"
	"flag"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// update is the -update flag of tests that use golden frames.
//
//nolint:gochecknoglobals // a flag has to be there before flags are parsed
var update = flag.Bool("update", false, "rewrite the golden frames")

// Golden compares f's picture with testdata/NAME.png. Each of a pixel's colours
// may be off by tolerance: codecs and libraries round. With -update the file is
// written instead, and git shows what changed.
func Golden(t testing.TB, name string, f *pipeline.Frame, tolerance int) {
	t.Helper()
	got, err := picture(f)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".png")
	if *update {
		writePNG(t, path, got)
		return
	}
	want, err := readPNG(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s does not exist; -update writes it", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if off, at := difference(got, want); off > tolerance {
		t.Errorf("%s: off by %d at %v, %d is allowed", path, off, at, tolerance)
	}
}

// picture returns f's picture as an image of the standard library.
func picture(f *pipeline.Frame) (*image.NRGBA, error) {
	img := f.Image()
	if img == nil {
		return nil, pipeline.ErrNoPixels
	}
	to := img.Format()
	to.Layout, to.Matrix, to.Range = pipeline.RGB24, 0, 0
	rgb := surface{format: to, data: make([]byte, sizeOf(to))}
	c, ok := img.(pipeline.Converter)
	if !ok {
		return nil, errors.New("the picture cannot convert itself")
	}
	if err := c.ConvertTo(unsafe.Pointer(&rgb.data[0]), 3*to.Width, to); err != nil {
		return nil, err
	}
	out := image.NewNRGBA(image.Rect(0, 0, to.Width, to.Height))
	for y := range to.Height {
		for x := range to.Width {
			p := rgb.at(x, y)
			out.SetNRGBA(x, y, color.NRGBA{R: p.r, G: p.g, B: p.b, A: 255})
		}
	}
	return out, nil
}

// difference returns the largest difference between two pictures and where it
// is. Pictures of different sizes differ by more than any colour can.
func difference(a, b *image.NRGBA) (most int, at image.Point) {
	if a.Bounds() != b.Bounds() {
		return 256, b.Bounds().Max
	}
	for i := range a.Pix {
		if off := abs(int(a.Pix[i]) - int(b.Pix[i])); off > most {
			most, at = off, image.Pt(i%a.Stride/4, i/a.Stride)
		}
	}
	return most, at
}

func readPNG(path string) (*image.NRGBA, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := image.NewNRGBA(img.Bounds())
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			out.Set(x, y, img.At(x, y))
		}
	}
	return out, nil
}

func writePNG(t testing.TB, path string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
