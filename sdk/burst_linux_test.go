package sdk

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair are a socket of ours and one that sends to it.
func pair(t *testing.T, network, host string) (ours *unhurriedConn, theirs *net.UDPConn) {
	t.Helper()
	n, err := newBufferedNet(nil, defaultReceiveBuffer, discard())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := n.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Skipf("no %s on this machine: %v", network, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	to := conn.LocalAddr().(*net.UDPAddr)
	if theirs, err = net.DialUDP(network, nil, to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return conn.(*unhurriedConn), theirs
}

func TestBursts(t *testing.T) {
	t.Parallel()
	for network, host := range map[string]string{"udp4": "127.0.0.1", "udp6": "::1"} {
		t.Run(network, func(t *testing.T) {
			ours, theirs := pair(t, network, host)
			from := theirs.LocalAddr().(*net.UDPAddr).AddrPort()
			check := func(want []byte) {
				t.Helper()
				p := make([]byte, receiveMTU)
				n, addr, err := ours.ReadFromAddrPort(p)
				if err != nil || !bytes.Equal(p[:n], want) || addr != from {
					t.Fatalf("got %x from %v, %v; want %x from %v", p[:n], addr, err, want, from)
				}
			}
			// What waits: more than is read in one go, of every length.
			var sent [][]byte
			for i := range 5 * burstPackets {
				p := bytes.Repeat([]byte{0x80, 96, byte(i)}, 1+5*i)
				sent = append(sent, p)
				if _, err := theirs.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range sent {
				check(p)
			}
			// What is waited for: the rest of a picture that began, and one whose
			// rest never comes.
			arrived := make(chan struct{})
			go func() {
				defer close(arrived)
				for _, p := range sent[:3] {
					_, _ = theirs.Write(p)
				}
			}()
			for _, p := range sent[:3] {
				check(p)
			}
			<-arrived
		})
	}
}

// TestBurstsEnd: a deadline and the end of the socket end the wait, as of any socket.
func TestBurstsEnd(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t, "udp4", "127.0.0.1")
	read := func() error {
		_, _, err := ours.ReadFrom(make([]byte, receiveMTU))
		return err
	}
	if err := ours.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := ours.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Write([]byte{0x80, 96}); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
	ended := make(chan error)
	go func() { ended <- read() }()
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A packet that arrives alone is waited with only where more of its picture follows.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"media", []byte{0x80, 96}, true},
		{"media with extensions", []byte{0x90, 96}, true},
		{"the last packet of a picture", []byte{0x90, 0x80 | 96}, false},
		{"RTCP", []byte{0x80, 200}, false},
		{"STUN", []byte{0, 1}, false},
		{"DTLS", []byte{22, 254}, false},
		{"media from a relay", []byte{0x40, 0, 0, 2, 0x80, 96}, true},
		{"the last packet from a relay", []byte{0x40, 0, 0, 2, 0x80, 0x80 | 96}, false},
		{"DTLS from a relay", []byte{0x40, 0, 0, 2, 22, 254}, false},
		{"nothing", nil, false},
		{"a byte", []byte{0x80}, false},
		{"a relay's, of nothing", []byte{0x40, 0, 0, 0}, false},
	}
	for _, tt := range tests {
		if got := goesOn(tt.packet); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func TestSenderWithZone(t *testing.T) {
	t.Parallel()
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		t.Skip("no network interfaces")
	}
	b := &bursts{}
	b.senders[0].Family, b.senders[0].Addr, b.senders[0].Scope_id = 10, netip.MustParseAddr("fe80::1").As16(), uint32(all[0].Index)
	if got := b.sender(0).Addr().String(); got != "fe80::1%"+all[0].Name {
		t.Errorf("got %s", got)
	}
	b.senders[0].Scope_id = 1 << 30
	if got := b.sender(0).Addr().Zone(); got != "1073741824" {
		t.Errorf("got %s", got)
	}
}

// TestNap: it ends, again and again, and at once when it is closed.
func TestNap(t *testing.T) {
	t.Parallel()
	n := &nap{length: unix.NsecToTimespec(burstRest.Nanoseconds())}
	if err := n.openTimer(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		begun := time.Now()
		if n.take(); time.Since(begun) < burstRest {
			t.Errorf("only %v", time.Since(begun))
		}
	}
	if err := n.close(); err != nil {
		t.Error(err)
	}
	n.take()
}

// TestNapThatBlocks: it ends, and lets a collection of garbage happen meanwhile.
func TestNapThatBlocks(t *testing.T) {
	t.Parallel()
	n := &nap{length: unix.NsecToTimespec(time.Hour.Nanoseconds())}
	over := make(chan struct{})
	go func() {
		defer close(over)
		n.take()
	}()
	for {
		runtime.GC() // stops all threads, with a signal where they do not by themselves
		select {
		case <-over:
			if err := n.close(); err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}
