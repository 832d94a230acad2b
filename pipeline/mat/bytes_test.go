package mat_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// decoded returns a frame with a decoder's picture of many colours.
func decoded(t *testing.T) *pipeline.Frame {
	t.Helper()
	img, err := ffmpeg.Try(decode.CPU, decode.H264)
	if err != nil {
		t.Fatal(err)
	}
	return frame(t, img)
}

// What Go code gets are the pixels that OpenCV gets.
func TestRGBA(t *testing.T) {
	f := decoded(t)
	m := must(t)(mat.View(f))
	img, err := mat.RGBA(f)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, ffmpeg.SampleSize, ffmpeg.SampleSize) {
		t.Fatalf("got %v", img.Bounds())
	}
	for y := range m.Rows() {
		for x := range m.Cols() {
			v := m.GetVecbAt(y, x)
			if got, want := img.RGBAAt(x, y), (color.RGBA{v[2], v[1], v[0], 0xff}); got != want {
				t.Fatalf("pixel %d,%d: got %v, want %v", x, y, got, want)
			}
		}
	}
	again, err := mat.RGBA(f)
	if err != nil || &again.Pix[0] == &img.Pix[0] || !bytes.Equal(again.Pix, img.Pix) {
		t.Errorf("the second is not another of the same: %v", err)
	}
}

func TestBytes(t *testing.T) {
	for _, size := range []image.Point{{6, 4}, {5, 3}, {1, 1}} {
		w, h := size.X, size.Y
		cw, ch := (w+1)/2, (h+1)/2
		plane := func(value byte, n int) []byte { return bytes.Repeat([]byte{value}, n) }
		tests := []struct {
			layout pipeline.Layout
			want   []byte
		}{
			{pipeline.BGR24, bytes.Repeat([]byte{0, 0, 255}, w*h)},
			{pipeline.RGB24, bytes.Repeat([]byte{255, 0, 0}, w*h)},
			{pipeline.Gray8, plane(76, w*h)},
			{pipeline.I420, bytes.Join([][]byte{plane(82, w*h), plane(90, cw*ch), plane(240, cw*ch)}, nil)},
			{pipeline.NV12, append(plane(82, w*h), bytes.Repeat([]byte{90, 240}, cw*ch)...)},
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s %dx%d", tt.layout, w, h), func(t *testing.T) {
				f := frame(t, red(t, size))
				for range 2 {
					got, err := mat.Bytes(f, tt.layout)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got, tt.want) {
						t.Errorf("got  %v\nwant %v", got, tt.want)
					}
				}
			})
		}
	}
}

// A decoder's planes come as they are.
func TestBytesOfDecoder(t *testing.T) {
	f := decoded(t)
	luma := must(t)(mat.Luma(f))
	got, err := mat.Bytes(f, pipeline.I420)
	if err != nil {
		t.Fatal(err)
	}
	if want := ffmpeg.SampleSize * ffmpeg.SampleSize * 3 / 2; len(got) != want {
		t.Fatalf("%d bytes, want %d", len(got), want)
	}
	for y := range luma.Rows() {
		for x := range luma.Cols() {
			if got[y*ffmpeg.SampleSize+x] != luma.GetUCharAt(y, x) {
				t.Fatalf("luma %d,%d: got %d, want %d", x, y, got[y*ffmpeg.SampleSize+x], luma.GetUCharAt(y, x))
			}
		}
	}
}

func TestBytesRefuses(t *testing.T) {
	if _, err := mat.Bytes(frame(t, nil), pipeline.RGB24); !errors.Is(err, pipeline.ErrNoPixels) {
		t.Errorf("got %v", err)
	}
	if _, err := mat.RGBA(frame(t, nil)); !errors.Is(err, pipeline.ErrNoPixels) {
		t.Errorf("got %v", err)
	}
	if _, err := mat.Bytes(frame(t, nil), pipeline.NV12); !errors.Is(err, pipeline.ErrNoPixels) {
		t.Errorf("got %v", err)
	}
	if _, err := mat.Bytes(decoded(t), pipeline.Opaque); err == nil || err.Error() != "mat: no bytes of opaque" {
		t.Errorf("got %v", err)
	}
}
