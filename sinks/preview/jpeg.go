package preview

import (
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// encodeJPEG returns f's picture as a JPEG file, no wider than width unless
// that is 0.
func encodeJPEG(f *pipeline.Frame, width, quality int) ([]byte, error) {
	format := f.Image().Format()
	if width == 0 || format.Width <= width {
		return mat.JPEG(f, quality)
	}
	m, err := mat.Scaled(f, width, max(1, format.Height*width/format.Width))
	if err != nil {
		return nil, err
	}
	return mat.EncodeJPEG(m, quality)
}
