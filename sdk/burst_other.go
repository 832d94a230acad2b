//go:build !linux

package sdk

import (
	"net"
	"net/netip"
)

// bursts reads a socket, one packet with each call of the system.
type bursts struct{ socket *net.UDPConn }

func newBursts(socket *net.UDPConn) (*bursts, error) { return &bursts{socket}, nil }

func (b *bursts) close() error { return nil }

func (b *bursts) read(p []byte) (int, netip.AddrPort, error) { return b.socket.ReadFromUDPAddrPort(p) }
