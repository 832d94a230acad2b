// Package jitter puts RTP packets in order. It waits for a missing packet as
// long as a retransmission may take, and no longer.
//
// A [Buffer] is a state machine: it has no goroutine and no clock, its driver
// tells it the time.
package jitter
