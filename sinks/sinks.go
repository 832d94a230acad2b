// Package sinks lists the sinks that reactorpipe ships. Each stands in a
// package of its own.
package sinks

import (
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/clip"
	"github.com/reactorpipe/reactorpipe/sinks/command"
	"github.com/reactorpipe/reactorpipe/sinks/discard"
	"github.com/reactorpipe/reactorpipe/sinks/jsonl"
	"github.com/reactorpipe/reactorpipe/sinks/log"
	"github.com/reactorpipe/reactorpipe/sinks/nats"
	"github.com/reactorpipe/reactorpipe/sinks/preview"
	"github.com/reactorpipe/reactorpipe/sinks/publish"
	"github.com/reactorpipe/reactorpipe/sinks/record"
	"github.com/reactorpipe/reactorpipe/sinks/snapshot"
	"github.com/reactorpipe/reactorpipe/sinks/webhook"
)

// Register adds all of them to r.
func Register(r *pipeline.Registry) {
	clip.Register(r)
	command.Register(r)
	discard.Register(r)
	jsonl.Register(r)
	log.Register(r)
	nats.Register(r)
	preview.Register(r)
	publish.Register(r)
	record.Register(r)
	snapshot.Register(r)
	webhook.Register(r)
}
