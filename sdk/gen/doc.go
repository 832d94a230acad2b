// Package gen writes typed clients: from a model's OpenAPI document a Go package
// with a method for each command, a type for each message and a constant for
// each track. The command `reactorpipe gen` is a thin shell around it, and
// docs/typed-clients.md says what a package looks like to its user.
package gen
