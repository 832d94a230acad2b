// Package expr evaluates the expressions of a pipeline's file over annotations
// and messages, on expr-lang. They are compiled and type-checked as the file is
// loaded. Templates are texts, and whole YAML values, with expressions in them.
//
// Absent is not empty. An expression that touches an annotation that no stage
// set, a message that never came, or a key that a map does not have, is absent
// as a whole: [Program.Eval] returns ok false. Branches that are not taken touch
// nothing. Two operators do without: a chain with ?. is nil where it would be
// absent (state.data?.user.name), and a ?? b is b where a is absent or nil. A
// result of nil is absent, too. A result held from an earlier frame is present.
package expr
