package sessiontest

import (
	"net"
	"sync/atomic"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// socketBuffer holds the burst of a published 1080p keyframe.
const socketBuffer = 4 << 20

// sockets is the network of one connection. Once mute, nothing goes out and
// nothing comes in, and nobody is told.
type sockets struct {
	transport.Net
	muted atomic.Bool
}

func newSockets() *sockets { return &sockets{} }

// open looks at the machine's interfaces, or takes the network in memory.
func (n *sockets) open(m *Memory) error {
	if m != nil {
		n.Net = m.server
		return nil
	}
	std, err := stdnet.NewNet()
	if err != nil {
		return err
	}
	n.Net = std
	return nil
}

func (n *sockets) mute() { n.muted.Store(true) }

// ListenUDP opens a socket that can be muted.
func (n *sockets) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(socketBuffer) // the kernel may allow less
	return &socket{UDPConn: c, muted: &n.muted}, nil
}

// socket is a UDP socket of a connection.
type socket struct {
	transport.UDPConn
	muted *atomic.Bool
}

func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, addr, err := s.UDPConn.ReadFrom(p)
		if err != nil || !s.muted.Load() {
			return n, addr, err
		}
	}
}

func (s *socket) WriteTo(p []byte, addr net.Addr) (int, error) {
	if s.muted.Load() {
		return len(p), nil
	}
	return s.UDPConn.WriteTo(p, addr)
}
