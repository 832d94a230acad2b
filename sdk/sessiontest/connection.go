package sessiontest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// watchEvery is how often the liveness of a connection is looked at, at most.
const watchEvery = 2 * time.Second

// connection is one peer of a session, from its offer to its end.
type connection struct {
	session  *session
	id       uint32
	log      *slog.Logger
	sockets  *sockets
	features wire.Features // agreed; set before the wire is up

	// ctx ends when the connection is lost or to be closed.
	ctx      context.Context
	lose     context.CancelFunc
	wireUp   chan struct{} // peer connected, both channels open
	upOnce   sync.Once
	finished chan struct{} // run has returned
	heard    atomic.Int64  // when the last frame came, UnixNano

	// superseded says that an offer took the connection's place. Guarded by the
	// session's mutex.
	superseded bool

	mu       sync.Mutex // guards what follows
	pc       *webrtc.PeerConnection
	peerUp   bool
	channels map[wire.Channel]*channel
	senders  map[string]*sender
	offered  bool        // the offer is applied
	early    []candidate // from before that
	hungUp   bool

	in       inbox
	out      outbox
	reported time.Time      // touched by the inbox only
	tasks    sync.WaitGroup // readers of RTP and RTCP, and the model's receivers
}

// connect takes an offer on a connection id. Whatever was on that id before
// makes room. x.mu is held.
func (x *session) connect(id uint32, o offer) {
	c := &connection{
		session: x, id: id, log: x.log.With("connection", id),
		sockets:  newSockets(),
		wireUp:   make(chan struct{}),
		finished: make(chan struct{}),
		channels: map[wire.Channel]*channel{},
		senders:  map[string]*sender{},
	}
	// A connection outlives its session, for the notices of the end.
	c.ctx, c.lose = context.WithCancel(context.WithoutCancel(x.ctx))
	c.heard.Store(time.Now().UnixNano())
	before := []*connection{x.negotiations[id], x.connections[id]}
	if known := x.connections[id]; known != nil {
		known.superseded = true
	}
	x.negotiations[id] = c
	delete(x.answers, id)
	c.early = x.candidates[id]
	delete(x.candidates, id)
	x.wg.Go(func() {
		defer close(c.finished)
		for _, old := range before {
			if old != nil {
				old.close()
			}
		}
		c.run(o)
	})
}

// run is the life of a connection.
func (c *connection) run(o offer) {
	x := c.session
	defer x.leave(c)
	defer c.hangUp()
	answer, err := c.negotiate(o)
	if err != nil {
		c.log.Warn("negotiation failed", "err", err)
		return
	}
	if !x.publishAnswer(c, answer) {
		return
	}
	if !c.comeUp() || !x.enter(c) {
		return
	}
	c.log.Info("connection opened")
	c.out.open(c)
	c.in.open(c.handle)
	c.watch()
	c.log.Info("connection closed")
}

// comeUp waits for the wire, no longer than a negotiation may take.
func (c *connection) comeUp() bool {
	deadline := time.NewTimer(c.session.srv.cfg.NegotiationTimeout)
	defer deadline.Stop()
	select {
	case <-c.wireUp:
		return true
	case <-deadline.C:
		c.log.Warn("negotiation timed out")
	case <-c.ctx.Done():
	}
	return false
}

// watch waits for the end of the connection, and ends one that went silent.
func (c *connection) watch() {
	silence := c.session.srv.cfg.PingTimeout
	if silence < 0 {
		<-c.ctx.Done()
		return
	}
	tick := time.NewTicker(min(watchEvery, silence/2))
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			if now.Sub(time.Unix(0, c.heard.Load())) > silence {
				c.log.Warn("client went silent")
				return
			}
		}
	}
}

// close ends the connection and waits for it.
func (c *connection) close() {
	c.lose()
	<-c.finished
}

// drop ends the connection without a word to the other side.
func (c *connection) drop() {
	c.sockets.mute()
	c.lose()
}

// hangUp frees everything of the connection.
func (c *connection) hangUp() {
	c.lose()
	c.mu.Lock()
	c.hungUp = true
	pc, senders := c.pc, slices.Collect(maps.Values(c.senders))
	c.mu.Unlock()
	for _, s := range senders {
		s.stop()
	}
	settled := c.session.srv.cfg.Memory.Settle()
	if pc != nil {
		if err := pc.GracefulClose(); err != nil {
			c.log.Debug("close peer", "err", err)
		}
	}
	settled()
	c.tasks.Wait()
}

// spawn runs f beside the connection, which waits for it. After the end it does
// nothing.
func (c *connection) spawn(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hungUp {
		c.tasks.Go(f)
	}
}

// peerConnected and addChannel are the two conditions of a wire.
func (c *connection) peerConnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peerUp = true
	c.checkUp()
}

// wasUp says that there has been a wire.
func (c *connection) wasUp() bool {
	select {
	case <-c.wireUp:
		return true
	default:
		return false
	}
}

func (c *connection) addChannel(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels[ch.label] = ch
	c.checkUp()
}

func (c *connection) checkUp() {
	if c.peerUp && c.channels[wire.DataChannel] != nil && c.channels[wire.ControlChannel] != nil {
		c.upOnce.Do(func() { close(c.wireUp) })
	}
}

func (c *connection) channel(label wire.Channel) *channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[label]
}

func (c *connection) sender(name string) *sender {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.senders[name]
}

// drain waits until what was sent, and what is held back, has arrived, but not
// for long.
func (c *connection) drain() {
	const longest = 5 * time.Second
	deadline := time.NewTimer(longest)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for c.out.holds() || c.buffered() > 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *connection) buffered() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n uint64
	for _, ch := range c.channels {
		n += ch.dc.BufferedAmount()
	}
	return n
}
