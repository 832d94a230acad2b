// Package pipeline is the contract between the parts of a pipeline: what a
// frame is and who owns it, and what a stage, a sink, a source and a session
// have to do. It imports the standard library only.
//
// A [Source] yields frames. The graph owns each of them and lends it to one
// [Stage] after the other, which read its pixels, change them, or [Set]
// annotations on it; a [Sink] sends what it is lent out of the program. Stage
// authors never count references: see [Frame].
//
// Package pipeline/mat offers the pixels as OpenCV Mats.
package pipeline
