// Package scaffold writes what somebody begins with: a pipeline made of a few
// wishes or of a model's schema, and a module with a stage or a sink in it.
package scaffold
