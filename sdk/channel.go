package sdk

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// maxQueued bounds what waits to leave a channel, in bytes.
const maxQueued = 128 << 20

// errClosedByServer is how a server takes its leave: one that dies says nothing.
var errClosedByServer = errors.New("closed by the server")

// channel is one of the two data channels, with its framing.
type channel struct {
	name wire.Channel
	dc   *webrtc.DataChannel
	open chan struct{} // closed when open
	gone chan struct{} // closed when closed
	sent atomic.Uint64 // bytes, chunk headers included

	mu      sync.Mutex // keeps a message's chunks together; guards the two below
	limit   int        // of a message, in bytes
	chunked bool

	in wire.Reassembler // of the one goroutine that reads
}

// newChannel creates a channel before the offer. receive gets whole messages,
// one at a time.
func newChannel(pc *webrtc.PeerConnection, name wire.Channel, receive func(text bool, message []byte), lost func(error)) (*channel, error) {
	dc, err := pc.CreateDataChannel(string(name), nil)
	if err != nil {
		return nil, err
	}
	c := &channel{name: name, dc: dc, open: make(chan struct{}), gone: make(chan struct{}), limit: wire.MaxPlainMessage}
	var once sync.Once
	dc.OnOpen(func() { close(c.open) })
	dc.OnClose(func() {
		once.Do(func() { close(c.gone) })
		lost(fmt.Errorf("%s channel %w", name, errClosedByServer))
	})
	dc.OnMessage(func(m webrtc.DataChannelMessage) {
		text, message, ok, err := c.unframe(m)
		if err != nil {
			lost(fmt.Errorf("%s channel: %w", name, err))
		}
		if ok {
			receive(text, message)
		}
	})
	return c, nil
}

// agree sets the framing, once both descriptions are known.
func (c *channel) agree(f wire.Features) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.MaxMessage > 0 {
		c.chunked, c.limit = true, f.MaxMessage
	}
}

func (c *channel) unframe(m webrtc.DataChannelMessage) (text bool, message []byte, ok bool, err error) {
	c.mu.Lock()
	chunked := c.chunked
	c.mu.Unlock()
	if !chunked {
		return m.IsString, m.Data, true, nil
	}
	message, text, ok, err = c.in.Push(m.Data)
	if errors.Is(err, wire.ErrMessageTooLarge) {
		err = nil // dropped; the channel goes on
	}
	return text, message, ok, err
}

func (c *channel) send(op string, p wire.Packet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p.Data) > c.limit {
		return gpuErrorf(CodeTooLarge, op, "message too large: %d bytes exceeds %d", len(p.Data), c.limit)
	}
	if c.dc.BufferedAmount()+uint64(len(p.Data)) > maxQueued {
		return gpuErrorf(CodeTransport, op, "more than %d bytes wait to be sent", maxQueued)
	}
	if err := c.transmit(p); err != nil {
		return gpuErrorf(CodeTransport, op, "send: %v", err)
	}
	return nil
}

func (c *channel) transmit(p wire.Packet) error {
	if !c.chunked {
		c.sent.Add(uint64(len(p.Data)))
		if p.Text {
			return c.dc.SendText(string(p.Data))
		}
		return c.dc.Send(p.Data)
	}
	for frame := range wire.Chunks(p.Text, p.Data, wire.DefaultChunkSize) {
		c.sent.Add(uint64(len(frame)))
		if err := c.dc.Send(frame); err != nil {
			return err
		}
	}
	return nil
}
