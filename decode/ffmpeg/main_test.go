package ffmpeg_test

import (
	"os"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

func TestMain(m *testing.M) {
	ffmpeg.Silence()
	os.Exit(m.Run())
}
