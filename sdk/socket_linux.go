package sdk

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of SO_MEMINFO, sock_diag(7): figures of a socket's memory, of which the last one
// is how many datagrams there was no room for.
const (
	memoryFigures = 9
	memoryDrops   = 8
)

// receiveDrops is how many datagrams a socket had no room for.
func receiveDrops(conn syscall.Conn) (drops uint64, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var answer struct { // one piece of memory for all that the call fills
		figures [memoryFigures]uint32
		size    uint32
		errno   syscall.Errno
	}
	answer.size = uint32(unsafe.Sizeof(answer.figures))
	err = raw.Control(func(fd uintptr) {
		_, _, answer.errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&answer.figures)), uintptr(unsafe.Pointer(&answer.size)), 0)
	})
	whole := answer.size == uint32(unsafe.Sizeof(answer.figures))
	return uint64(answer.figures[memoryDrops]), err == nil && answer.errno == 0 && whole
}
