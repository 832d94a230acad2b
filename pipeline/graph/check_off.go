//go:build !framecheck

package graph

// checkFrames leaves it to Config.CheckFrames.
const checkFrames = false
