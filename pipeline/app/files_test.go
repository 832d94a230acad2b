package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

// wholeLines counts the lines of a JSON Lines file; each has to be whole.
func wholeLines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		if !json.Valid(line) {
			t.Errorf("%s:%d is torn: %s", path, i+1, line)
		}
	}
	return len(lines)
}

// pictures counts those of a video file that can be decoded. The error is what
// they end with before the file does.
func pictures(t *testing.T, path string) (n int, err error) {
	t.Helper()
	file, err := ffmpeg.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder, err := file.NewDecoder(ffmpeg.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	take := func(got []decode.Picture, err error) error {
		for _, p := range got {
			n++
			p.Image.Close()
		}
		return err
	}
	for {
		au, err := file.Next()
		if errors.Is(err, io.EOF) {
			return n, take(decoder.Flush())
		}
		if err != nil {
			return n, err
		}
		if err := take(decoder.Decode(au)); err != nil {
			return n, err
		}
	}
}
