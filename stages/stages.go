// Package stages lists the kinds of stages that ship with reactorpipe.
package stages

import (
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/stages/blur"
	"github.com/reactorpipe/reactorpipe/stages/color"
	"github.com/reactorpipe/reactorpipe/stages/crop"
	"github.com/reactorpipe/reactorpipe/stages/exec"
	"github.com/reactorpipe/reactorpipe/stages/motion"
	"github.com/reactorpipe/reactorpipe/stages/overlay"
	"github.com/reactorpipe/reactorpipe/stages/pair"
	"github.com/reactorpipe/reactorpipe/stages/peopledetect"
	"github.com/reactorpipe/reactorpipe/stages/resize"
)

// Register adds all of them to r.
func Register(r *pipeline.Registry) {
	blur.Register(r)
	color.Register(r)
	crop.Register(r)
	exec.Register(r)
	motion.Register(r)
	overlay.Register(r)
	pair.Register(r)
	peopledetect.Register(r)
	resize.Register(r)
}
