//go:build unix

package sdk

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer reads the size of a socket's receive buffer in bytes. Linux
// reports twice the usable size (socket(7)).
func receiveBuffer(conn syscall.Conn) (size int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		size, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	}); err != nil || optErr != nil {
		return 0, false
	}
	if runtime.GOOS == "linux" {
		size /= 2
	}
	return size, true
}
