package ingest

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// udpBuffer holds the burst of a large keyframe: the usual 208 KiB hold 92
// packets.
const udpBuffer = 4 << 20

// listenUDP opens a socket, and joins the group where the address is one.
func listenUDP(addr netip.AddrPort, iface string, log *slog.Logger) (*net.UDPConn, error) {
	var via *net.Interface
	if iface != "" {
		var err error
		if via, err = net.InterfaceByName(iface); err != nil {
			return nil, fmt.Errorf("interface %q: %w", iface, err)
		}
	}
	at := net.UDPAddrFromAddrPort(addr)
	listen := func() (*net.UDPConn, error) { return net.ListenUDP("udp", at) }
	if addr.Addr().IsMulticast() {
		listen = func() (*net.UDPConn, error) { return net.ListenMulticastUDP("udp", via, at) }
	}
	conn, err := listen()
	if err != nil {
		return nil, err
	}
	enlarge(conn, log)
	return conn, nil
}

// enlarge sets the receive buffer and reads it back: the kernel cuts the request
// to net.core.rmem_max without a word.
func enlarge(conn *net.UDPConn, log *slog.Logger) {
	err := conn.SetReadBuffer(udpBuffer)
	got := 0
	if raw, rawErr := conn.SyscallConn(); rawErr == nil {
		_ = raw.Control(func(fd uintptr) {
			got, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		})
	}
	if got /= 2; err != nil || got < udpBuffer { // Linux reports twice the usable size (socket(7))
		log.Warn("receive buffer smaller than asked for; raise net.core.rmem_max", "asked", udpBuffer, "got", got, "err", err)
	}
}
