//go:build race || framecheck

package mat_test

const pooled = false
