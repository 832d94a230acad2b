package mat

import (
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Still makes a file of f's picture, or of a part of it.
func Still(f *pipeline.Frame, s pipeline.Still) (pipeline.Upload, error) {
	upload := s.Upload(f)
	m, err := View(f)
	if err != nil {
		return upload, err
	}
	x, y, w, h, err := s.Area(m.Cols(), m.Rows())
	if err != nil {
		return upload, err
	}
	part := m.Region(image.Rect(x, y, x+w, y+h))
	defer part.Close() //nolint:errcheck // a header only
	upload.Content, err = encode(&part, s)
	return upload, err
}

// mostJPEG is the longest side of a JPEG picture, in pixels.
const mostJPEG = 65500

func encode(m *gocv.Mat, s pipeline.Still) ([]byte, error) {
	if s.PNG {
		return EncodePNG(m)
	}
	if m.Cols() > mostJPEG || m.Rows() > mostJPEG {
		return nil, fmt.Errorf("mat: jpeg: at most %d pixels a side, got %d×%d", mostJPEG, m.Cols(), m.Rows())
	}
	return EncodeJPEG(m, s.Quality)
}
