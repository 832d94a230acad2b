//go:build !race && !framecheck && !matprofile

package mat_test

// pooled says that what is closed is used again: under the race detector some of it
// is not, by chance, and nothing is where frames are checked.
const pooled = true
