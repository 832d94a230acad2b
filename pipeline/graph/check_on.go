//go:build framecheck

package graph

// checkFrames has every graph check its frames.
const checkFrames = true
