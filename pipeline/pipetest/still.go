package pipetest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Still makes files of frames' pictures as mat.Still does, without cgo.
func Still(f *pipeline.Frame, s pipeline.Still) (pipeline.Upload, error) {
	upload := s.Upload(f)
	img := f.Image()
	if img == nil {
		return upload, pipeline.ErrNoPixels
	}
	c, ok := img.(pipeline.Converter)
	if !ok {
		return upload, fmt.Errorf("pipetest: a %s cannot be converted", img.Format())
	}
	whole := img.Format()
	x, y, w, h, err := s.Area(whole.Width, whole.Height)
	if err != nil {
		return upload, err
	}
	bgr := make([]byte, 3*whole.Width*whole.Height)
	to := pipeline.Format{Layout: pipeline.BGR24, Width: whole.Width, Height: whole.Height}
	if err := c.ConvertTo(unsafe.Pointer(unsafe.SliceData(bgr)), 3*whole.Width, to); err != nil {
		return upload, err
	}
	part := image.NewRGBA(image.Rect(0, 0, w, h))
	for row := range h {
		for column := range w {
			at := 3 * ((y+row)*whole.Width + x + column)
			part.SetRGBA(column, row, color.RGBA{R: bgr[at+2], G: bgr[at+1], B: bgr[at], A: 255})
		}
	}
	var file bytes.Buffer
	if s.PNG {
		err = png.Encode(&file, part)
	} else {
		err = jpeg.Encode(&file, part, &jpeg.Options{Quality: s.Quality})
	}
	upload.Content = file.Bytes()
	return upload, err
}
