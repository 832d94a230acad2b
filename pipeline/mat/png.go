package mat

import (
	"bytes"
	"fmt"

	"gocv.io/x/gocv"
)

// EncodePNG returns m as a PNG file.
func EncodePNG(m *gocv.Mat) ([]byte, error) {
	file, err := gocv.IMEncode(gocv.PNGFileExt, *m)
	defer file.Close() //nolint:staticcheck // there is a buffer to close with an error, too
	if err != nil {
		return nil, fmt.Errorf("mat: png: %w", err)
	}
	return bytes.Clone(file.GetBytes()), nil
}
