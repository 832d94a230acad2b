package sdk

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nap is a wait of less than a millisecond. The runtime's timers are no finer than
// that in a process that is idle, for epoll_wait(2) counts so.
type nap struct {
	timer *os.File
	raw   syscall.RawConn
	wait  func(fd uintptr) bool
	spec  unix.ItimerSpec
	armed bool
}

func newNap(length time.Duration) (*nap, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	n := &nap{timer: os.NewFile(uintptr(fd), "nap"), spec: unix.ItimerSpec{Value: unix.NsecToTimespec(length.Nanoseconds())}}
	n.wait = n.rung
	if n.raw, err = n.timer.SyscallConn(); err != nil {
		_ = n.timer.Close()
		return nil, err
	}
	return n, nil
}

// take waits. It returns at once when the nap is closed.
func (n *nap) take() {
	n.armed = false
	_ = n.raw.Read(n.wait)
}

// rung sets the timer. It is called again when that has rung.
func (n *nap) rung(fd uintptr) bool {
	if n.armed {
		return true
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&n.spec)), 0, 0, 0)
	n.armed = errno == 0
	return errno != 0
}

func (n *nap) close() error { return n.timer.Close() }
