package jitter

import "time"

const (
	// minWait is the least that a gap holds up the packets behind it, however
	// short the round trip: at 30 fps two frames fit in, and a NACK on the
	// same continent twice.
	minWait = 66 * time.Millisecond
	// maxWait is where a keyframe is the shorter way to a picture.
	maxWait = 500 * time.Millisecond
	// nackWait is what a NACK waits for its turn at the sending end.
	nackWait = 20 * time.Millisecond
)

// keyframeWait is how long repairs alone are hoped for, where they may come late:
// ten NACKs on a short path. A keyframe is many packets, which can be lost too: at
// a loss of 20 % each way, asking for one after 66 ms froze the picture twice as
// long.
const keyframeWait = 200 * time.Millisecond

// waitFor returns how long a gap is waited for over a path of round trip rtt:
// enough for the packet to be asked for twice.
func waitFor(rtt time.Duration) time.Duration {
	return min(max(minWait, 2*rtt+nackWait), maxWait)
}
