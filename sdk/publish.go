package sdk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// PublishConfig says how a track is published.
type PublishConfig struct {
	// Codec to send: "vp8", "vp9", "h264", "h265", "av1", or "opus" on an audio
	// track. Empty: the server's first choice.
	Codec string
}

// Sample is one access unit to send.
type Sample struct {
	Data []byte // Annex B for H.264 and H.265, OBUs for AV1; not kept
	PTS  time.Duration
	// FrameID, CaptureTime and UserData travel in the frame's trailer, where the
	// server understands it. Without any of them there is no trailer. A FrameID
	// of 0 is counted up from 1.
	FrameID     uint64
	CaptureTime time.Duration // on this side's monotonic clock
	UserData    []byte
}

// Publication is a track that is being sent. It goes on over reconnects, with
// a request for a keyframe.
type Publication struct {
	track     *Track
	codec     string
	clock     uint32
	frames    chan outgoing
	keyframes chan struct{}
	live      atomic.Pointer[sender] // nil while not granted
	payload   atomic.Uint32          // the codec's payload type in this connection

	once   sync.Once
	done   chan struct{}
	worker sync.WaitGroup

	mu        sync.Mutex // guards what follows
	payloader rtp.Payloader
	sequence  uint16
	base      uint32 // RTP timestamp of PTS 0
	frameID   uint64
}

// outgoing is a packetized sample on its way.
type outgoing struct {
	sender  *sender
	packets []rtp.Packet
}

// maxPayload leaves room for the headers and extensions in a packet of 1200 bytes.
const maxPayload = 1176

// Publish claims the track and starts to send it. One publication at a time
// holds a track, over all clients of the session; a second one is refused with
// the code "publish_refused".
func (t *Track) Publish(ctx context.Context, cfg PublishConfig) (*Publication, error) {
	const op = "publish_track"
	if t.info.Direction != SendOnly {
		return nil, gpuErrorf(CodeInvalidState, op, "track %s is not an input of the model", t.info.Name)
	}
	c, err := t.session.ready(op)
	if err != nil {
		return nil, err
	}
	s := c.senders[t.info.Name]
	codec, ok := s.codec(cfg.Codec)
	if !ok {
		return nil, s.noCodec(op, cfg.Codec)
	}
	p := newPublication(t, codec)
	if !t.claim(p) {
		return nil, refusal("publish_refused", op, "track already published")
	}
	if err := c.claim(ctx, t.info.Name); err != nil {
		t.unclaim(p)
		return nil, err
	}
	p.payload.Store(uint32(codec.pt))
	p.live.Store(s)
	p.worker.Go(p.run)
	return p, nil
}

func (s *sender) noCodec(op, name string) *Error {
	var taken []string
	for _, c := range s.agreed() {
		taken = append(taken, c.name)
	}
	if name == "" {
		name = strings.Join(sendCodecs, ", ")
	}
	return gpuErrorf(CodeNoCodec, op, "track %s: cannot send %s; the server takes %s", s.track.info.Name, name, list(taken))
}

func newPublication(t *Track, codec codecAnswer) *Publication {
	return &Publication{
		track: t, codec: codec.name, clock: codec.clock, frames: make(chan outgoing, 1),
		keyframes: make(chan struct{}, 1), done: make(chan struct{}),
		payloader: newPayloader(codec.name), sequence: uint16(rand.Uint32()), base: rand.Uint32(),
	}
}

func newPayloader(codec string) rtp.Payloader {
	switch codec {
	case "vp8":
		return &codecs.VP8Payloader{EnablePictureID: true}
	case "vp9":
		return &codecs.VP9Payloader{}
	case "h264":
		return &codecs.H264Payloader{}
	case "h265":
		return &codecs.H265Payloader{}
	case "av1":
		return &codecs.AV1Payloader{}
	}
	return &codecs.OpusPayloader{}
}

func (t *Track) publication() *Publication {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pub
}

func (t *Track) claim(p *Publication) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pub != nil {
		return false
	}
	t.pub = p
	return true
}

func (t *Track) unclaim(p *Publication) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pub == p {
		t.pub = nil
	}
}

// claim asks the server for a track.
func (c *conn) claim(ctx context.Context, name string) error {
	_, err := c.request(ctx, "publish_track", &wire.ControlClientMessage{
		Payload: &wire.ControlClientMessage_PublishTrack{PublishTrack: &wire.PublishTrack{Name: name}},
	})
	return err
}

func (c *conn) unpublish(name string) error {
	return c.write("unpublish_track", &wire.ControlClientMessage{
		Kind:    wire.MessageKind_MESSAGE_KIND_NOTIFICATION,
		Payload: &wire.ControlClientMessage_UnpublishTrack{UnpublishTrack: &wire.UnpublishTrack{Name: name}},
	})
}

// The server frees a track when it notices the loss of the connection that held
// it, which takes it seconds. The pause between two tries to have it back grows
// from the one to the other, each spread by half. So many tries are not told.
const (
	firstRestore = time.Second
	longRestore  = 5 * time.Second
	restoreQuiet = 3
)

// restore publishes again what was published on an earlier connection, for as
// long as this one lives and the publication is wanted. Where the server has not
// noticed the loss, the track is still held, by us: releasing it first helps.
func (c *conn) restore(ctx context.Context, p *Publication) {
	name := p.track.info.Name
	s := c.senders[name]
	codec, ok := s.codec(p.codec)
	if !ok {
		c.notRestored(p, s.noCodec("publish_track", p.codec))
		return
	}
	for try, wait := 1, firstRestore; ; try++ {
		err := c.claim(ctx, name)
		if err == nil {
			c.restored(p, s, codec)
			return
		}
		if c.unwanted(p) {
			return
		}
		if try == restoreQuiet+1 {
			c.notRestored(p, err)
		}
		_ = c.unpublish(name) // after a time-out, too: the answer may only be late
		if try == 1 && errors.Is(err, ErrRefused) {
			continue
		}
		if c.waitFor(p, wait/2+rand.N(wait)) {
			return
		}
		wait = min(2*wait, longRestore)
	}
}

// restored lets a publication go on. One that was closed while the claim was
// under way did not know that there was something to give back.
func (c *conn) restored(p *Publication, s *sender, codec codecAnswer) {
	p.payload.Store(uint32(codec.pt))
	p.live.Store(s)
	if c.unwanted(p) {
		if p.live.CompareAndSwap(s, nil) {
			_ = c.unpublish(p.track.info.Name)
		}
		return
	}
	p.wantKeyframe()
}

// unwanted says that a publication needs this connection no more: that was lost,
// or the publication was closed, and another one may hold the track.
func (c *conn) unwanted(p *Publication) bool { return isClosed(c.lost) || isClosed(p.done) }

func (c *conn) notRestored(p *Publication, err error) {
	c.log.Warn("track not published again yet", "track", p.track.info.Name, "err", err)
	c.session.events.publish(Event{Type: EventError, Err: err, At: time.Now()})
}

// waitFor waits; true if the publication became unwanted meanwhile.
func (c *conn) waitFor(p *Publication, d time.Duration) (unwanted bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.lost:
		return true
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// Codec returns what must be written.
func (p *Publication) Codec() string { return p.codec }

// KeyframeRequests yields a token when the receiver needs a keyframe. Requests
// that nobody takes become one.
func (p *Publication) KeyframeRequests() <-chan struct{} { return p.keyframes }

// Bitrate returns the estimate of what the connection carries, in bit/s, for all
// publications of the session together, within the bounds of session and track;
// 0 while it is down.
func (p *Publication) Bitrate() int {
	s := p.live.Load()
	if s == nil {
		return 0
	}
	return s.conn.bitrate(p.track.bitrateBounds())
}

// WriteSample sends one access unit. Packets leave paced, ten a millisecond;
// it waits only while the sample before the last one is still leaving. It
// matches [ErrNotReady] while the session reconnects, and [ErrClosed] at the end.
func (p *Publication) WriteSample(s Sample) error {
	const op = "write_sample"
	select {
	case <-p.done:
		return over(op, ErrClosed)
	case <-p.track.session.ended:
		return over(op, p.track.session.Err())
	default:
	}
	to := p.live.Load()
	if to == nil {
		return notReady(op, p.track.session.Status())
	}
	out := outgoing{sender: to, packets: p.packetize(s, to.conn.metadata)}
	select {
	case p.frames <- out:
		return nil
	case <-p.done:
		return over(op, ErrClosed)
	case <-p.track.session.ended:
		return over(op, p.track.session.Err())
	}
}

func (p *Publication) packetize(s Sample, trailers bool) []rtp.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	payloads := p.payloader.Payload(maxPayload, p.tag(s, trailers))
	packets := make([]rtp.Packet, len(payloads))
	for i, payload := range payloads {
		packets[i] = rtp.Packet{
			Header: rtp.Header{
				Version: 2, PayloadType: uint8(p.payload.Load()), SequenceNumber: p.sequence,
				Timestamp: p.base + ticks(s.PTS, p.clock),
				Marker:    i == len(payloads)-1 && p.track.info.Kind == Video,
			},
			Payload: payload,
		}
		p.sequence++
	}
	return packets
}

// ticks converts a time to RTP clock ticks, modulo 2^32, without overflow.
func ticks(d time.Duration, clock uint32) uint32 {
	seconds, rest := int64(d/time.Second), int64(d%time.Second)
	return uint32(seconds*int64(clock) + rest*int64(clock)/int64(time.Second))
}

// tag returns the sample's bytes, in memory of their own, with the trailer.
func (p *Publication) tag(s Sample, trailers bool) []byte {
	tagged := s.FrameID != 0 || s.CaptureTime != 0 || s.UserData != nil
	// AV1's packetizer would take a trailer for an OBU.
	if !tagged || !trailers || p.track.info.Kind != Video || p.codec == "av1" {
		return bytes.Clone(s.Data)
	}
	p.frameID++
	if s.FrameID != 0 {
		p.frameID = s.FrameID
	}
	b := append(make([]byte, 0, len(s.Data)+len(s.UserData)+64), s.Data...)
	b = wire.AppendTrailer(b, &wire.FrameMetadata{
		FrameId: p.frameID, CaptureTimeUs: uint64(max(s.CaptureTime.Microseconds(), 0)), UserData: s.UserData,
	})
	if (p.codec == "h264" || p.codec == "h265") && bytes.Contains(b[max(len(s.Data)-2, 0):], []byte{0, 0, 1}) {
		return b[:len(s.Data)] // the packetizer would take it for a NAL unit
	}
	return b
}

// run sends what was written until the publication or the session ends.
func (p *Publication) run() {
	for {
		select {
		case out := <-p.frames:
			p.send(out)
		case <-p.done:
			return
		case <-p.track.session.ended:
			return
		}
	}
}

func (p *Publication) send(out outgoing) {
	for i := range out.packets {
		if i%burst == 0 && p.pace(out.sender.conn, min(burst, len(out.packets)-i)) {
			return
		}
		if out.sender.write(&out.packets[i]) != nil {
			return // the connection is ending; what it loses is asked for anew
		}
	}
}

// pace waits for the next place; true if there is nobody to send to any more.
func (p *Publication) pace(c *conn, n int) (over bool) {
	wait := p.track.session.pacer.reserve(time.Now(), n)
	if wait <= 0 {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return false
	case <-p.done:
	case <-c.lost:
	}
	return true
}

func (p *Publication) wantKeyframe() {
	select {
	case p.keyframes <- struct{}{}:
	default:
	}
}

// Close gives the track back. It may be called twice.
func (p *Publication) Close() error {
	p.once.Do(func() {
		close(p.done)
		p.worker.Wait()
		p.track.unclaim(p)
		if s := p.live.Swap(nil); s != nil {
			_ = s.conn.unpublish(p.track.info.Name) // a lost connection gives it back too
		}
	})
	return nil
}
