// Command reactorpipe takes a model session's video through a pipeline written
// in YAML, and the results back into the model.
//
// A program with stages of its own is a copy of this file that registers them
// too: see examples/.
package main

import (
	"os"

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
	os.Exit(app.Main(reg))
}
