package sdk

import (
	"errors"
	"net"
)

// ProbeReceiveBuffer opens a socket as a session does and returns the size of
// its receive buffer in bytes: the one that is asked for by default, and the one
// that the system gave.
func ProbeReceiveBuffer() (asked, got int, err error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	asked = defaultReceiveBuffer
	if err := conn.SetReadBuffer(asked); err != nil {
		return asked, 0, err
	}
	got, ok := receiveBuffer(conn)
	if !ok {
		return asked, 0, errors.New("this system does not tell the size of a receive buffer")
	}
	return asked, got, nil
}
