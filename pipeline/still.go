package pipeline

import (
	"errors"
	"fmt"
	"math"
)

// Still says what of a frame's picture becomes a file: `{frame: …}` in the data of
// a command. What makes the file is [Env].Still.
type Still struct {
	// Whole takes all of the picture, else it is Crop that is taken.
	Whole bool
	// Crop is in pixels of the frame in hand. What of it lies outside of the
	// picture is left out.
	Crop Box
	// PNG makes a PNG file, which loses nothing, else it is a JPEG file.
	PNG bool
	// Quality of a JPEG, 1 to 100.
	Quality int
}

// ErrEmptyCrop answers who wants a crop that has nothing of the picture in it.
var ErrEmptyCrop = errors.New("the crop lies outside of the picture")

// Area returns what is taken of a picture of a size, in whole pixels: those that
// the crop touches. The error is ErrEmptyCrop where it touches none.
func (s Still) Area(width, height int) (x, y, w, h int, err error) {
	if s.Whole {
		return 0, 0, width, height, nil
	}
	left, right := span(s.Crop.X, s.Crop.Width, width)
	top, bottom := span(s.Crop.Y, s.Crop.Height, height)
	if right <= left || bottom <= top {
		return 0, 0, 0, 0, ErrEmptyCrop
	}
	return left, top, right - left, bottom - top, nil
}

// span returns the pixels from the first to one behind the last that a side of a
// crop touches, none where its length is no positive number.
func span(from, length float64, most int) (first, end int) {
	if !(length > 0) || math.IsNaN(from) {
		return 0, 0
	}
	within := func(x float64) int { return int(min(max(x, 0), float64(most))) }
	return within(math.Floor(from)), within(math.Ceil(from + length))
}

// Upload returns the file without its content: f may be nil.
func (s Still) Upload(f *Frame) Upload {
	name, extension, mimeType := "frame", ".jpg", "image/jpeg"
	if f != nil {
		name = fmt.Sprintf("%s-%d", f.Stream, f.Seq)
	}
	if s.PNG {
		extension, mimeType = ".png", "image/png"
	}
	return Upload{Name: name + extension, MIMEType: mimeType}
}
