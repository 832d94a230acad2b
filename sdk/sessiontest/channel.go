package sessiontest

import (
	"errors"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// maxEarlyFrames are held from before a connection is open.
const maxEarlyFrames = 64

// maxHeld bounds what is held back until the client's codec is known.
const maxHeld = 1024

// channel is one data channel of a connection.
type channel struct {
	label   wire.Channel
	dc      *webrtc.DataChannel
	chunked bool
	parts   wire.Reassembler // touched by the channel's reader only
}

// write sends an encoded message.
func (ch *channel) write(text bool, message []byte) error {
	if !ch.chunked {
		if text {
			return ch.dc.SendText(string(message))
		}
		return ch.dc.Send(message)
	}
	for frame := range wire.Chunks(text, message, 0) {
		if err := ch.dc.Send(frame); err != nil {
			return err
		}
	}
	return nil
}

// read takes one SCTP message and gives the message that it completes.
func (ch *channel) read(m webrtc.DataChannelMessage) (message []byte, text, done bool, err error) {
	if !ch.chunked {
		return m.Data, m.IsString, true, nil
	}
	return ch.parts.Push(m.Data)
}

// onDataChannel adopts a channel that the client opened.
func (c *connection) onDataChannel(dc *webrtc.DataChannel) {
	ch := &channel{
		label: wire.ChannelOf(dc.Label()), dc: dc,
		chunked: c.features.MaxMessage > 0 && dc.Ordered() && dc.MaxRetransmits() == nil && dc.MaxPacketLifeTime() == nil,
		parts:   wire.Reassembler{Limit: wire.MaxChunkedMessage},
	}
	dc.OnMessage(func(m webrtc.DataChannelMessage) { c.receive(ch, m) })
	dc.OnOpen(func() { c.addChannel(ch) })
}

func (c *connection) receive(ch *channel, m webrtc.DataChannelMessage) {
	c.heard.Store(time.Now().UnixNano())
	data, text, done, err := ch.read(m)
	switch {
	case errors.Is(err, wire.ErrChunk):
		c.log.Warn("channel closed: malformed chunk", "channel", ch.label)
		_ = ch.dc.Close()
	case err != nil:
		c.log.Warn("message dropped", "channel", ch.label, "err", err)
	case done:
		c.out.latch(c, wire.Sniff(text, data))
		c.in.push(frame{ch.label, text, data}, c.handle)
	}
}

// frame is one message as it came.
type frame struct {
	channel wire.Channel
	text    bool
	data    []byte
}

// inbox keeps frames in order, and back until the connection is open.
type inbox struct {
	mu     sync.Mutex // held while a frame is handled
	opened bool
	early  []frame
}

func (b *inbox) push(f frame, handle func(frame)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.opened:
		handle(f)
	case len(b.early) < maxEarlyFrames:
		b.early = append(b.early, f)
	}
}

func (b *inbox) open(handle func(frame)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = true
	for _, f := range b.early {
		handle(f)
	}
	b.early = nil
}

// outbox keeps messages in order, and back until both channels are up and the
// client's codec is known: a client of today's codec loses what comes in the
// old one.
type outbox struct {
	mu      sync.Mutex // held while a message is written
	up      bool
	latched bool
	codec   wire.Codec
	held    []wire.ServerMessage
	late    *wire.Packet // goes behind the next one
}

// send sends a message in the connection's codec.
func (c *connection) send(m wire.ServerMessage) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.up && c.out.latched {
		c.write(m)
		return
	}
	if len(c.out.held) < maxHeld {
		c.out.held = append(c.out.held, m)
	}
}

func (o *outbox) latch(c *connection, codec wire.Codec) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.latched {
		o.latched, o.codec = true, codec
		o.flush(c)
	}
}

func (o *outbox) open(c *connection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up = true
	o.flush(c)
}

// holds says that a message waits for the client's first word.
func (o *outbox) holds() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.held) > 0
}

// flush writes what was held back, if nothing holds it any more. o.mu is held.
func (o *outbox) flush(c *connection) {
	if !o.up || !o.latched {
		return
	}
	for _, m := range o.held {
		c.write(m)
	}
	o.held = nil
}

// write encodes and writes. c.out.mu is held.
func (c *connection) write(m wire.ServerMessage) {
	p, err := wire.EncodeServer(c.out.codec, m)
	if errors.Is(err, wire.ErrNoForm) {
		return // the old codec has no acks and no errors
	}
	if err != nil {
		c.log.Error("message not sent", "err", err)
		return
	}
	ch := c.channel(p.Channel)
	if ch == nil {
		return
	}
	limit := wire.MaxPlainMessage
	if ch.chunked {
		limit = c.features.MaxMessage
	}
	if len(p.Data) > limit {
		c.log.Error("message not sent: too large", "bytes", len(p.Data), "limit", limit)
		return
	}
	if f, ok := c.session.srv.trouble.garbled(p.Channel, m); ok {
		c.garble(ch, p, f)
		return
	}
	c.transmit(ch, p)
}

// transmit puts a message on its channel. c.out.mu is held.
func (c *connection) transmit(ch *channel, p wire.Packet) {
	if err := ch.write(p.Text, p.Data); err != nil {
		c.log.Debug("message not sent", "err", err)
	}
	if late := c.out.late; late != nil && late.Channel == p.Channel {
		c.out.late = nil
		c.transmit(ch, *late)
	}
}
