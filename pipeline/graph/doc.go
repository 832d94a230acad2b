// Package graph builds a pipeline's sources, stages and sinks and moves frames
// through them.
//
// Each node has a goroutine, each edge is a channel. One number bounds it all:
// a frame needs one of its source's max_in_flight slots to enter and gives it
// back when it and all its shares are released. An edge has room for as many
// frames, so sending never blocks. In front of a sink is a queue whose frames
// hold no slot.
package graph
