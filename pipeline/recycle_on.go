//go:build !framecheck

package pipeline

// recycling lets frames become other frames.
const recycling = true
