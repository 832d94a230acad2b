// Package sdk is the Go client of a Reactor model session: it connects over
// WebRTC, receives and publishes encoded media, sends commands, listens to
// messages, uploads files and reconnects. It is pure Go and knows nothing of
// pixels; package pipeline/ingest turns its packets into decoded frames.
package sdk
