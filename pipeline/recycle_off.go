//go:build framecheck

package pipeline

// recycling is off where frames are checked: one that was released stays so, and
// whoever uses it is told.
const recycling = false
