package sdk

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// bufferedNet opens UDP sockets with a large receive buffer. The usual 208 KiB
// hold 92 packets: less than the burst of one 1080p keyframe. It is the queue that
// is meant to fill when the process does not get to run: see [unhurriedConn].
type bufferedNet struct {
	transport.Net
	size int
	log  *slog.Logger
	once sync.Once

	mu      sync.Mutex // guards what follows
	sockets []*net.UDPConn
}

// newBufferedNet wraps a network, the machine's own if nil.
func newBufferedNet(inner transport.Net, size int, log *slog.Logger) (*bufferedNet, error) {
	if inner == nil {
		var err error
		if inner, err = stdnet.NewNet(); err != nil {
			return nil, err
		}
	}
	return &bufferedNet{Net: inner, size: size, log: log}, nil
}

// ListenUDP implements transport.Net.
func (n *bufferedNet) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := n.Net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	n.enlarge(conn)
	socket, ok := conn.(*net.UDPConn)
	if !ok {
		return conn, nil
	}
	n.mu.Lock()
	n.sockets = append(n.sockets, socket)
	n.mu.Unlock()
	bursts, err := newBursts(socket)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return &unhurriedConn{UDPConn: socket, bursts: bursts}, nil
}

// overflowed is how many datagrams the open sockets had no room for; nil where the
// system does not tell.
func (n *bufferedNet) overflowed() *uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum uint64
	known := false
	for _, s := range n.sockets {
		if drops, ok := receiveDrops(s); ok {
			sum, known = sum+drops, true
		}
	}
	if !known {
		return nil
	}
	return &sum
}

// A breath is what is read from a socket in one go; who has read that much in a
// shorter time than it takes to arrive on a fast line pauses.
const (
	breath      = 128 // packets
	breathTime  = 2 * time.Millisecond
	breathPause = time.Millisecond
)

// unhurriedConn is a socket that is not emptied faster than its packets can be
// dealt with. Behind it pion has two queues of 1 MB that drop what they have no room
// for, without a count and a setting for either. A process that did not run for
// seconds finds more than that in the kernel's buffer, and reading costs less than
// decryption: the reader would carry it over into queues that are full.
type unhurriedConn struct {
	*net.UDPConn
	// Of the one goroutine that reads.
	bursts  *bursts
	packets int
	begun   time.Time
}

// ReadFrom implements net.PacketConn.
func (c *unhurriedConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromAddrPort and WriteToAddrPort are what pion reads and writes by, where
// both are there: they allocate nothing.
func (c *unhurriedConn) ReadFromAddrPort(p []byte) (int, netip.AddrPort, error) {
	c.breathe()
	return c.bursts.read(p)
}

// WriteToAddrPort is the other half.
func (c *unhurriedConn) WriteToAddrPort(p []byte, to netip.AddrPort) (int, error) {
	return c.WriteToUDPAddrPort(p, to)
}

// Close implements net.PacketConn.
func (c *unhurriedConn) Close() error { return errors.Join(c.UDPConn.Close(), c.bursts.close()) }

func (c *unhurriedConn) breathe() {
	if c.packets++; c.packets < breath {
		return
	}
	c.packets = 0
	now := time.Now()
	if now.Sub(c.begun) < breathTime {
		time.Sleep(breathPause) //nolint:forbidigo // there is nothing to wait for but that others run
		now = time.Now()
	}
	c.begun = now
}

// enlarge sets the buffer and reads it back: the kernel cuts the request to
// net.core.rmem_max without a word.
func (n *bufferedNet) enlarge(conn transport.UDPConn) {
	err := conn.SetReadBuffer(n.size)
	got, known := 0, false
	if sc, ok := conn.(syscall.Conn); ok {
		got, known = receiveBuffer(sc)
	}
	if err == nil && (!known || got >= n.size) {
		return
	}
	n.once.Do(func() {
		n.log.Warn("receive buffer smaller than asked for; raise net.core.rmem_max", "asked", n.size, "got", got, "err", err)
	})
}
