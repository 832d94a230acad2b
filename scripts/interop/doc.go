// Package interop tests reactorpipe against the peers it was written for: the
// published Python runtime serving models of ours, and the published Python
// client. make interop runs it; without them its tests are skipped.
package interop
