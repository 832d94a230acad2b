//go:build !framecheck

package mat

// traced is whether pictures are traced from the start.
const traced = false
