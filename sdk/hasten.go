package sdk

import (
	"fmt"
	"time"

	"github.com/pion/webrtc/v4"
)

// pion's ICE agent looks at what its checks have brought every 200 ms, which
// neither it nor webrtc's SettingEngine lets a caller change. In between it
// nominates a pair only if the server checks that pair too and no better one
// might still answer. One that never will is usual (our loopback address with the
// server's others, a bridge of containers), and then a start would wait for the
// tick with a path that has been known for 199 ms.
//
// A new candidate of the server makes it look at once. An address for ICE over TCP
// is one that it files and pairs with nothing, for we offer UDP alone: nothing is
// sent to it. So looks come at these times after the answer, until there is a path.
// The last is a round trip around the world.
var earlyLooks = [...]time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 70 * time.Millisecond, 110 * time.Millisecond, 150 * time.Millisecond,
}

// mostChecks is how often pion may ask over a pair before it gives it up for good:
// as often as it looks while [conn.gate] waits. pion's own 7 are 1.4 s, and a server
// that is busy for longer when it has answered (a model that loads holds Python's
// lock) was never reached.
const mostChecks = int(gateTimeout/(200*time.Millisecond)) + len(earlyLooks)

// hasten makes pion look for a path sooner, until there is one.
func (c *conn) hasten() {
	begun := time.Now()
	look := time.NewTimer(0)
	defer look.Stop()
	for i, at := range earlyLooks {
		look.Reset(at - time.Since(begun))
		select {
		case <-c.path:
			return
		case <-c.lost:
			return
		case <-look.C:
		}
		// Each is to be another one: port 9 is the discard service.
		marker := fmt.Sprintf("candidate:0 1 tcp 1 127.0.0.%d 9 typ host tcptype passive", i+1)
		if err := c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: marker}); err != nil {
			return // the tick will do
		}
	}
}
