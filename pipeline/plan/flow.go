package plan

import (
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// view is a conversion that everybody who holds the same pixels shares.
type view struct {
	made string // by whom the pixels were made
	as   Pixels
}

// flow follows the pixels from the sources on. A view is made once for each
// format, whoever asks; who writes gets pixels of its own.
func (p *Plan) flow() {
	makers := p.makers()
	views := make(map[view]string) // and who has them converted
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if n.Part == "source" {
			continue
		}
		n.In = p.node(n.from).Out
		switch {
		case n.In == Messages:
			n.Out = Messages
		case n.pixels.Write == pipeline.Edit:
			n.Work = append(n.Work, p.edit(n, makers))
			n.Out = BGR
		case n.pixels.Write == pipeline.Reshape:
			n.read(makers[n.from], views)
			n.Out = BGR
		default:
			n.read(makers[n.from], views)
			n.Out = n.In
		}
		if n.Part == "sink" {
			n.Out = ""
		}
	}
}

// makers returns who made the pixels that each node sends on.
func (p *Plan) makers() map[string]string {
	makers := make(map[string]string)
	for _, n := range p.Nodes {
		makers[n.Name] = n.Name
		if n.Part != "source" && n.pixels.Write == pipeline.NoWrite {
			makers[n.Name] = makers[n.from]
		}
	}
	return makers
}

// read adds what it takes that a node can read what comes in.
func (n *Node) read(maker string, views map[view]string) {
	to := wanted(n.pixels)
	if to == "" {
		n.encode()
		return
	}
	if to == n.In {
		return
	}
	if first, made := views[view{maker, to}]; made {
		n.Work = append(n.Work, Work{What: "share", From: n.In, To: to, Why: "converted for " + first})
		return
	}
	views[view{maker, to}] = n.Name
	n.Work = append(n.Work, Work{
		What: "convert", From: n.In, To: to, Milliseconds: conversion(n.In, to),
		Why: "once for all who look at this picture",
	})
}

// encode is for sinks that take pictures as they are. Those that encode want
// what their encoder takes.
func (n *Node) encode() {
	if n.Part == "sink" && n.pixels.Read == pipeline.Native && n.In == BGR {
		n.Work = append(n.Work, Work{
			What: "convert", From: BGR, To: I420, Milliseconds: conversion(BGR, I420),
			Why: "for its encoder",
		})
	}
}

// edit is what it takes that a node can write: pixels of its own.
func (p *Plan) edit(n *Node, makers map[string]string) Work {
	if n.In != BGR {
		return Work{
			What: "convert", From: n.In, To: BGR, Milliseconds: conversion(n.In, BGR),
			Why: "straight into pixels of its own, which it changes",
		}
	}
	if others := p.holders(n, makers); len(others) > 0 {
		return Work{
			What: "copy", From: BGR, To: BGR, Milliseconds: copyOfBGR,
			Why: "it changes them, and " + strings.Join(others, " or ") + " may hold the same",
		}
	}
	return Work{What: "share", From: BGR, To: BGR, Why: "it changes them in place: nobody else holds them"}
}

// holders are the nodes that may hold the pixels that n changes: those on other
// branches, and those beside the line.
func (p *Plan) holders(n *Node, makers map[string]string) []string {
	var names []string
	for _, other := range p.Nodes {
		switch {
		case other.Part == "source" || other.Name == n.Name || makers[other.from] != makers[n.from]:
		case p.upstream(other.Name, n) && !other.Detached: // it had its turn
		case p.upstream(n.Name, &other): // it gets what n makes
		default:
			names = append(names, other.Name)
		}
	}
	return names
}

// upstream says that frames of a node come to n, for their pixels or their
// annotations: those it joins have let go of their pixels.
func (p *Plan) upstream(name string, n *Node) bool {
	for _, in := range n.inputs() {
		if in == name || p.upstream(name, p.node(in)) {
			return true
		}
	}
	return false
}
