package sdk

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// burstPackets are read from a socket in one go: about a picture at 4 Mbit/s.
const burstPackets = 16

// burstRest is how long a picture that has begun to come is left to come. Being
// woken for a packet, which five goroutines hand on to each other, costs several
// times what it takes to deal with it.
const burstRest = 200 * time.Microsecond

// bursts reads a socket, many packets with one call of the system. One goroutine
// reads; close may be called by another.
//
// The calls are raw ones, for they do not block: the runtime's watch over threads
// in system calls would be woken for each, and take more time than they do.
type bursts struct {
	raw     syscall.RawConn
	receive func(fd uintptr) bool
	nap     *nap

	headers [burstPackets]mmsghdr
	vectors [burstPackets]unix.Iovec
	senders [burstPackets]unix.RawSockaddrInet6 // or an Inet4 in its place
	packets [burstPackets][receiveMTU]byte

	next, count int // of the packets that were not handed out yet
	waited      bool
	errno       syscall.Errno
}

// mmsghdr is the system's, recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	length uint32
}

func newBursts(socket *net.UDPConn) (*bursts, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &bursts{raw: raw}
	if b.nap, err = newNap(burstRest); err != nil {
		return nil, err
	}
	b.receive = b.receiveAll
	for i := range b.headers {
		b.vectors[i].Base = &b.packets[i][0]
		b.vectors[i].SetLen(receiveMTU)
		h := &b.headers[i]
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&b.senders[i])), &b.vectors[i]
		h.SetIovlen(1)
	}
	return b, nil
}

func (b *bursts) close() error { return b.nap.close() }

// read returns the next packet and where it came from.
func (b *bursts) read(p []byte) (int, netip.AddrPort, error) {
	for b.next == b.count {
		b.next, b.count = 0, 0
		if err := b.raw.Read(b.receive); err != nil {
			return 0, netip.AddrPort{}, err
		}
		if b.errno != 0 {
			return 0, netip.AddrPort{}, b.errno
		}
	}
	i := b.next
	b.next++
	return copy(p, b.packet(i)), b.sender(i), nil
}

func (b *bursts) packet(i int) []byte { return b.packets[i][:min(b.headers[i].length, receiveMTU)] }

// receiveAll takes what there is. False says that there is nothing, and that it is
// to be called again when there is.
func (b *bursts) receiveAll(fd uintptr) (done bool) {
	if b.errno = b.take(fd); b.errno == unix.EAGAIN {
		b.waited = true
		return false
	}
	if b.errno == 0 && b.waited && goesOn(b.packet(b.count-1)) {
		b.nap.take()
		_ = b.take(fd) // what is wrong then will be so the next time
	}
	b.waited = false
	return true
}

// take reads the packets that are there and find room.
func (b *bursts) take(fd uintptr) syscall.Errno {
	free := b.headers[b.count:]
	if len(free) == 0 {
		return 0
	}
	for i := range free {
		free[i].Namelen = unix.SizeofSockaddrInet6
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&free[0])), uintptr(len(free)), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno == 0 {
			b.count += int(n)
		}
		return errno
	}
}

// goesOn says that a packet is one of media (RFC 7983), perhaps within one of a
// relay's (RFC 8656 section 12.4), and not the last one of its picture.
func goesOn(p []byte) bool {
	if len(p) > 4 && p[0]>>6 == 1 {
		p = p[4:]
	}
	return len(p) > 1 && p[0]>>6 == 2 && p[1]&0x80 == 0
}

func (b *bursts) sender(i int) netip.AddrPort {
	from := &b.senders[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&from.Port))[:])
	if from.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(from)).Addr), port)
	}
	addr := netip.AddrFrom16(from.Addr)
	if from.Scope_id != 0 {
		addr = addr.WithZone(zone(int(from.Scope_id)))
	}
	return netip.AddrPortFrom(addr, port)
}

// zone is the name of a network interface, as package net has it in addresses.
func zone(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}
