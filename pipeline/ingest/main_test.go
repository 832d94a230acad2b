package ingest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

func TestMain(m *testing.M) {
	ffmpeg.Silence() // damaged streams are part of the tests
	goleak.VerifyTestMain(m)
}
