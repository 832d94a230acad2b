//go:build race

package sdk

// Raced says that the race detector looks, under which everything takes ten times
// as long: what is done many times is then done less often.
const Raced = true
