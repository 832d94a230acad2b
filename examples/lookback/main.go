// Command lookback is reactorpipe with a stage that remembers earlier pictures.
package main

import (
	"os"

	"github.com/reactorpipe/reactorpipe/examples/lookback/lookback"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/app"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/sinks"
	"github.com/reactorpipe/reactorpipe/stages"
)

func main() {
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	stages.Register(reg)
	sinks.Register(reg)
	lookback.Register(reg)
	os.Exit(app.Main(reg))
}
