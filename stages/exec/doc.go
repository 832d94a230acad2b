// Package exec is the stage that lets another program, in any language, work on
// frames. The program gets pictures in shared memory and what is known of them,
// and answers with annotations, commands for the model, and pixels.
//
// The program talks over two file descriptors that it is started with: 3 is a
// socket with lines of JSON in both directions, 4 the memory of the picture.
// docs/exec.md is the protocol. Python programs find a module that speaks it,
// reactorpipe_stage, on their path.
package exec
