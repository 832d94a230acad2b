// Package depacketize makes access units of RTP packets that are in order.
//
// A unit ends with the marker bit, not with the packet after it, so that
// nothing is held back. What a loss damaged is left out up to the next
// keyframe. A [Depacketizer] is a state machine without goroutine and clock.
package depacketize
