//go:build !race

package sdk

// Raced says that the race detector looks.
const Raced = false
