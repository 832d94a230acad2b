// Command customstage is reactorpipe with a stage of our own: a copy of its
// cmd/reactorpipe and one line more.
package main

import (
	"os"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/app"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/sinks"
	"github.com/reactorpipe/reactorpipe/stages"

	"example.com/acme/customstage/brightest"
)

func main() {
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	stages.Register(reg)
	sinks.Register(reg)
	brightest.Register(reg) // ours
	os.Exit(app.Main(reg))
}
