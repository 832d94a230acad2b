// Package pipetest holds stages and sinks to the contract of package pipeline.
// The test of every kind begins with [Stage] or [Sink].
//
// It also has what such tests need around them: pictures, a source, a session
// that remembers what was asked of it, and golden frames. It is pure Go.
package pipetest
