package discard_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/discard"
)

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{Register: discard.Register, Kind: "discard"})
}
