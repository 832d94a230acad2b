package sdk

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Packet is one received RTP packet.
type Packet struct {
	*rtp.Packet
	// Arrival was read when the packet had been decrypted, before it waited for its
	// reader. On Linux the packets of a picture are collected before that, for a
	// quarter of a millisecond at most.
	Arrival time.Time
	// Codec of the payload: "vp8", "vp9", "h264", "h265", "av1", "opus". It may
	// change within a connection.
	Codec string
	// Epoch counts connections. In a new one sequence numbers, timestamps and
	// SSRC start anew.
	Epoch int

	page *page // that the packet lies on; nil for one of somebody else's
}

// Release gives the packet's memory to those that are yet to come: nobody looks at
// it, or at its payload, any more. It is called once, or never: what nobody
// releases Go's collector takes.
func (p Packet) Release() {
	if p.page != nil {
		p.page.release()
	}
}

// Track is one track that the model declares. It goes on over reconnects.
type Track struct {
	session *Session
	info    TrackInfo
	queue   packetQueue
	source  atomic.Pointer[remoteSource]
	// decoding is what the reader said of its decoder, nil before.
	decoding atomic.Pointer[Decoding]

	mu     sync.Mutex // guards what follows
	paused bool
	pub    *Publication
	bounds BitrateBounds
}

// remoteSource is where a track's packets come from in one connection. Timestamps
// of another one have nothing to do with its reports.
type remoteSource struct {
	conn   *conn
	ssrc   uint32
	report atomic.Pointer[senderReport] // the last
}

func newTrack(s *Session, info TrackInfo) *Track {
	t := &Track{session: s, info: info, paused: s.cfg.NoAutoResume}
	t.queue.init()
	return t
}

// Name returns the track's name.
func (t *Track) Name() string { return t.info.Name }

// Kind returns [Video] or [Audio].
func (t *Track) Kind() string { return t.info.Kind }

// Direction returns [ReceiveOnly] or [SendOnly].
func (t *Track) Direction() string { return t.info.Direction }

// Pause stops a received track: the model's frames are dropped at the server.
// Without a connection it holds from the next one on.
func (t *Track) Pause(context.Context) error { return t.setPaused(true) }

// Resume starts a received track. Its first packet begins a keyframe, unless it
// flowed already. Without a connection it holds from the next one on.
func (t *Track) Resume(context.Context) error { return t.setPaused(false) }

// Paused reports whether this client has paused the track.
func (t *Track) Paused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paused
}

func (t *Track) setPaused(paused bool) error {
	op := "resume_track"
	if paused {
		op = "pause_track"
	}
	if t.info.Direction != ReceiveOnly {
		return gpuErrorf(CodeInvalidState, op, "track %s is not received", t.info.Name)
	}
	t.mu.Lock()
	t.paused = paused
	t.mu.Unlock()
	c, err := t.session.ready(op)
	if err != nil {
		if t.session.Err() != nil {
			return err
		}
		return nil // the next connection starts with it
	}
	if err := c.announce(t); !errors.Is(err, ErrNotReady) {
		return err
	}
	return nil
}

// ReadRTP returns the next packet. It waits through reconnects and fails when
// ctx ends or the session is over. Up to 4096 packets wait for a reader; then
// the oldest go, see [Track.Dropped].
func (t *Track) ReadRTP(ctx context.Context) (Packet, error) {
	const op = "read_rtp"
	if t.info.Direction != ReceiveOnly {
		return Packet{}, gpuErrorf(CodeInvalidState, op, "track %s is not received", t.info.Name)
	}
	for {
		p, more := t.queue.pop()
		if more {
			return p, nil
		}
		select {
		case <-t.queue.wake:
		case <-ctx.Done():
			return Packet{}, interrupted(ctx, componentGPU, op)
		case <-t.session.ended:
			if p, more := t.queue.pop(); more {
				return p, nil
			}
			return Packet{}, over(op, t.session.Err())
		}
	}
}

// Dropped returns how many packets nobody read in time.
func (t *Track) Dropped() uint64 { return t.queue.dropped.Load() }

// RequestKeyframe asks the model's encoder for a keyframe (RTCP PLI). It does
// not limit how often.
func (t *Track) RequestKeyframe() error {
	const op = "request_keyframe"
	src := t.source.Load()
	c, err := t.session.ready(op)
	if err != nil {
		return err
	}
	if src == nil || src.conn != c {
		return gpuErrorf(CodeInvalidState, op, "no packet of track %s has arrived yet", t.info.Name)
	}
	if err := c.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: src.ssrc}}); err != nil {
		return gpuErrorf(CodeTransport, op, "%v", err)
	}
	return nil
}

// RTT returns the connection's round-trip time, 0 before it was measured.
func (t *Track) RTT() time.Duration { return t.session.RTT() }

// senderReport ties an RTP timestamp to the sender's wall clock.
type senderReport struct {
	rtp   uint32
	wall  time.Time
	clock uint32 // Hz
}

// SenderTime returns the sender's wall time of an RTP timestamp of the present
// connection, by its last sender report; false before there was one.
func (t *Track) SenderTime(rtpTimestamp uint32) (time.Time, bool) {
	src := t.source.Load()
	if src == nil {
		return time.Time{}, false
	}
	r := src.report.Load()
	if r == nil || r.clock == 0 {
		return time.Time{}, false
	}
	ticks := int64(int32(rtpTimestamp - r.rtp))
	return r.wall.Add(time.Duration(ticks * int64(time.Second) / int64(r.clock))), true
}

// ntpEpoch is the start of NTP's era 0 in Unix seconds.
const ntpEpoch = -2208988800

// ntpTime converts a 64-bit NTP timestamp (RFC 3550 section 4).
func ntpTime(ntp uint64) time.Time {
	seconds, fraction := int64(ntp>>32), ntp&0xffffffff
	return time.Unix(seconds+ntpEpoch, int64(fraction*uint64(time.Second)>>32)).UTC()
}
