// Package rehearsal runs a pipeline without its model: a clip and scripted
// messages come in, the commands, frames and drops that come of it are compared
// with those expected, and all time is virtual.
package rehearsal
