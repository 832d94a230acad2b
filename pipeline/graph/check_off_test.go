//go:build !framecheck

package graph_test

// framecheck says that every graph of these tests checks its frames, and so ends
// with an error for who keeps them.
const framecheck = false
