//go:build race || framecheck || matprofile

package mat_test

const pooled = false
