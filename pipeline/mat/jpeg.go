package mat

import (
	"bytes"
	"fmt"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// JPEG returns the picture as a JPEG file of quality 1 to 100.
func JPEG(f *pipeline.Frame, quality int) ([]byte, error) {
	m, err := View(f)
	if err != nil {
		return nil, err
	}
	return EncodeJPEG(m, quality)
}

// EncodeJPEG returns m as a JPEG file of quality 1 to 100.
func EncodeJPEG(m *gocv.Mat, quality int) ([]byte, error) {
	file, err := gocv.IMEncodeWithParams(gocv.JPEGFileExt, *m, []int{gocv.IMWriteJpegQuality, quality})
	defer file.Close() //nolint:staticcheck // there is a buffer to close with an error, too
	if err != nil {
		return nil, fmt.Errorf("mat: jpeg: %w", err)
	}
	return bytes.Clone(file.GetBytes()), nil
}
