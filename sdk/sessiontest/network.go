package sessiontest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

// Network is what happens to the media packets that the server sends, repairs
// included, on each connection.
type Network struct {
	// Drop, Duplicate and Reorder are probabilities from 0 to 1. A packet that
	// is reordered changes places with the next one. SRTP's replay protection
	// takes a duplicate out before a receiver sees it.
	Drop      float64 `json:"drop,omitempty"`
	Duplicate float64 `json:"duplicate,omitempty"`
	Reorder   float64 `json:"reorder,omitempty"`
	// Delay is that of every packet; Jitter adds up to as much again by chance,
	// and packets overtake one another.
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	// Bandwidth, in bit/s, is that of a connection; 0 for no bound. What waits
	// longer than maxBacklog, half a second, is lost.
	Bandwidth int `json:"bandwidth,omitempty"`
	// Seed makes a run repeatable, as far as the timing allows.
	Seed uint64 `json:"seed,omitempty"`
}

// maxBacklog is how long packets wait in front of the bottleneck: a usual depth
// of a router's buffer.
const maxBacklog = 500 * time.Millisecond

func (n Network) validate() error {
	for _, p := range []struct {
		name  string
		value float64
	}{{"drop", n.Drop}, {"duplicate", n.Duplicate}, {"reorder", n.Reorder}} {
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("%s: must be 0 to 1, got %g", p.name, p.value)
		}
	}
	switch {
	case n.Delay < 0:
		return fmt.Errorf("delay: must not be negative, got %v", n.Delay)
	case n.Jitter < 0:
		return fmt.Errorf("jitter: must not be negative, got %v", n.Jitter)
	case n.Bandwidth < 0:
		return fmt.Errorf("bandwidth: must not be negative, got %d", n.Bandwidth)
	}
	return nil
}

func (n Network) source() *rand.Rand { return rand.New(rand.NewPCG(n.Seed, n.Seed)) }

// slow says that packets take time.
func (n Network) slow() bool { return n.Delay > 0 || n.Jitter > 0 || n.Bandwidth > 0 }

// fate is what becomes of one packet.
type fate struct {
	drop, duplicate, reorder, slow bool
	delay                          time.Duration
	bandwidth                      int
}

func (t *trouble) fate() fate {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.random == nil {
		return fate{}
	}
	n := t.now.Network
	return fate{
		drop:      t.random.Float64() < n.Drop,
		duplicate: t.random.Float64() < n.Duplicate,
		reorder:   t.random.Float64() < n.Reorder,
		slow:      n.slow(),
		delay:     n.Delay + time.Duration(t.random.Float64()*float64(n.Jitter)),
		bandwidth: n.Bandwidth,
	}
}

// networkFactory makes the interceptor that stands for the network.
type networkFactory struct{ trouble *trouble }

func (f *networkFactory) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &network{trouble: f.trouble, wake: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// network is what the packets of one connection pass on their way out.
type network struct {
	interceptor.NoOp
	trouble *trouble
	wake    chan struct{}
	done    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex // guards what follows
	running bool
	closed  bool
	free    time.Time // when the bottleneck is
	waiting []departure
}

// departure is a packet with the time at which it arrives.
type departure struct {
	at time.Time
	latePacket
	wire interceptor.RTPWriter
}

type latePacket struct {
	header     rtp.Header
	payload    []byte
	attributes interceptor.Attributes
}

// BindLocalStream stands between the stream and the wire.
func (n *network) BindLocalStream(_ *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	p := &path{network: n, wire: w}
	return interceptor.RTPWriterFunc(p.write)
}

// Close throws away what is on its way.
func (n *network) Close() error {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.done)
	}
	n.mu.Unlock()
	n.wg.Wait()
	return nil
}

// path is the way of one stream. It loses, repeats, swaps and delays packets.
type path struct {
	network *network
	wire    interceptor.RTPWriter

	mu   sync.Mutex // guards late
	late *latePacket
}

func (p *path) write(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
	f := p.network.trouble.fate()
	size := h.MarshalSize() + len(payload)
	if f.drop || f.reorder && p.keep(h, payload, a) {
		return size, nil
	}
	err := p.network.send(f, p.wire, h, payload, a)
	if err == nil && f.duplicate {
		err = p.network.send(f, p.wire, h, payload, a)
	}
	if late := p.take(); late != nil && err == nil {
		err = p.network.send(f, p.wire, &late.header, late.payload, late.attributes)
	}
	return size, err
}

// keep holds a packet back until the next one has gone; one at a time.
func (p *path) keep(h *rtp.Header, payload []byte, a interceptor.Attributes) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.late != nil {
		return false
	}
	p.late = &latePacket{h.Clone(), slices.Clone(payload), a}
	return true
}

func (p *path) take() *latePacket {
	p.mu.Lock()
	defer p.mu.Unlock()
	late := p.late
	p.late = nil
	return late
}

// send writes a packet, at once or when it is due.
func (n *network) send(f fate, w interceptor.RTPWriter, h *rtp.Header, payload []byte, a interceptor.Attributes) error {
	if !f.slow && n.idle() {
		_, err := w.Write(h, payload, a)
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	at := now
	if f.bandwidth > 0 {
		if n.free.Before(now) {
			n.free = now
		}
		if n.free.Sub(now) > maxBacklog {
			return nil // lost in front of the bottleneck
		}
		bits := 8 * (h.MarshalSize() + len(payload))
		n.free = n.free.Add(time.Duration(bits) * time.Second / time.Duration(f.bandwidth))
		at = n.free
	}
	d := departure{at.Add(f.delay), latePacket{h.Clone(), slices.Clone(payload), a}, w}
	i, _ := slices.BinarySearchFunc(n.waiting, d, func(e, t departure) int {
		if e.at.After(t.at) {
			return 1
		}
		return -1
	})
	n.waiting = slices.Insert(n.waiting, i, d)
	if !n.running && !n.closed {
		n.running = true
		n.wg.Go(n.run)
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return nil
}

// idle says that nothing is on its way that a packet would overtake.
func (n *network) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.waiting) == 0
}

// run delivers packets when they are due.
func (n *network) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, wait := n.due(time.Now())
		for _, d := range due {
			_, _ = d.wire.Write(&d.header, d.payload, d.attributes) // the sender is not there to hear of it
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.done:
			return
		}
	}
}

// due takes what is due, and says how long nothing will be.
func (n *network) due(now time.Time) (due []departure, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := 0
	for i < len(n.waiting) && !n.waiting[i].at.After(now) {
		i++
	}
	due = slices.Clone(n.waiting[:i])
	n.waiting = slices.Delete(n.waiting, 0, i)
	if len(n.waiting) == 0 {
		return due, time.Hour
	}
	return due, n.waiting[0].at.Sub(now)
}

// MarshalJSON writes the times as people do.
func (n Network) MarshalJSON() ([]byte, error) {
	type plain Network
	return json.Marshal(struct {
		plain
		Delay  duration `json:"delay,omitempty"`
		Jitter duration `json:"jitter,omitempty"`
	}{plain(n), duration(n.Delay), duration(n.Jitter)})
}

// UnmarshalJSON reads what MarshalJSON writes. What it does not name stays.
func (n *Network) UnmarshalJSON(b []byte) error {
	type plain Network
	v := struct {
		*plain
		Delay  duration `json:"delay"`
		Jitter duration `json:"jitter"`
	}{(*plain)(n), duration(n.Delay), duration(n.Jitter)}
	err := strictly(b, &v)
	n.Delay, n.Jitter = time.Duration(v.Delay), time.Duration(v.Jitter)
	return err
}
