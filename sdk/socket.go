package sdk

import (
	"log/slog"
	"net"
	"sync"
	"syscall"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// bufferedNet opens UDP sockets with a large receive buffer. The usual 208 KiB
// hold 92 packets: less than the burst of one 1080p keyframe.
type bufferedNet struct {
	transport.Net
	size int
	log  *slog.Logger
	once sync.Once
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
	return conn, nil
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
