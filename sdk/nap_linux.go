package sdk

import (
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nap is a wait of less than a millisecond. The runtime's timers are no finer than
// that in a process that is idle, for epoll_wait(2) counts so.
//
// Where Go has several threads to run in, a nap blocks its own, and the runtime does
// not know. A goroutine that is parked leaves the thread in epoll_wait, and out of that
// each packet wakes it in which nobody is interested yet: 28 calls for a picture of 14
// packets instead of 10, and 3 to 4 % of all the CPU time that receiving, decoding and
// converting it takes. Another call of the system than a raw one would wake the
// runtime's monitor, which takes as much. A signal ends such a nap, as the runtime
// sends one where it wants the thread to stop.
type nap struct {
	length unix.Timespec

	// Where there is one thread only, which others need.
	timer *os.File // nil where there are more
	raw   syscall.RawConn
	wait  func(fd uintptr) bool
	armed bool
}

func newNap(length time.Duration) (*nap, error) {
	n := &nap{length: unix.NsecToTimespec(length.Nanoseconds())}
	if runtime.GOMAXPROCS(0) > 1 {
		return n, nil
	}
	err := n.openTimer()
	return n, err
}

func (n *nap) openTimer() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	n.timer = os.NewFile(uintptr(fd), "nap")
	n.wait = n.rung
	if n.raw, err = n.timer.SyscallConn(); err != nil {
		_ = n.timer.Close()
	}
	return err
}

// take waits. It returns at once when the nap is closed, if it has a timer.
func (n *nap) take() {
	if n.timer == nil {
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&n.length)), 0, 0)
		return
	}
	n.armed = false
	_ = n.raw.Read(n.wait)
}

// rung sets the timer. It is called again when that has rung.
func (n *nap) rung(fd uintptr) bool {
	if n.armed {
		return true
	}
	spec := unix.ItimerSpec{Value: n.length}
	_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	n.armed = errno == 0
	return errno != 0
}

func (n *nap) close() error {
	if n.timer == nil {
		return nil
	}
	return n.timer.Close()
}
