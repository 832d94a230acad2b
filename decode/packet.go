package decode

import (
	"time"

	"github.com/pion/rtp"
)

// Packet is an RTP packet in its place in the stream.
type Packet struct {
	*rtp.Packet
	// Seq is the sequence number unwrapped to 64 bits. It grows by one from
	// packet to packet, over changes of SSRC too.
	Seq int64
	// Arrival is when the packet came in, taken before any waiting.
	Arrival time.Time
	// Lost is the number of packets missing right before this one that nobody
	// waits for any more.
	Lost int
	// Restart says that another stream begins: a new SSRC, or a sender that
	// began to count anew. Timestamps do not relate to earlier ones.
	Restart bool
}
