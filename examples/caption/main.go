// Command caption is reactorpipe with a stage that asks a service about pictures.
package main

import (
	"os"

	"github.com/reactorpipe/reactorpipe/examples/caption/caption"
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
	caption.Register(reg)
	os.Exit(app.Main(reg))
}
