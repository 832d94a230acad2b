package sdk

import (
	"fmt"
	"time"
)

// The other side's transport confirms what it gets within a round trip, and we
// ping twice in 10 s: so long without a confirmation, nothing gets through. Where
// pictures still come the path lives, and heavy loss may be all there is to it;
// then the end is the server's own, which drops a client it has not heard for 20 s.
const (
	deafAfter        = 10 * time.Second
	deafAfterPlaying = 20 * time.Second
)

// watchdog finds a connection that is dead although ICE says it lives. It looks
// at what is confirmed: that nothing comes, no picture and no message, is a
// model's good right and no sign of anything.
type watchdog struct {
	since     time.Time // of the last progress
	confirmed uint64    // bytes of ours by then
	media     uint64    // packets of theirs, a look ago
}

// look says why the connection is dead, if it is. It is called every second with
// the bytes that were sent and that wait for their confirmation, and the packets
// received.
func (w *watchdog) look(now time.Time, sent, waiting, media uint64) error {
	playing := media != w.media
	w.media = media
	if confirmed := sent - min(sent, waiting); waiting == 0 || confirmed > w.confirmed || w.since.IsZero() {
		w.since, w.confirmed = now, confirmed
		return nil
	}
	patience := deafAfter
	if playing {
		patience = deafAfterPlaying
	}
	if now.Sub(w.since) < patience {
		return nil
	}
	return fmt.Errorf("the server has confirmed nothing for %s", now.Sub(w.since).Round(time.Second))
}
