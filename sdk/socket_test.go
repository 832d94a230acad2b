package sdk

import (
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"
)

// TestSocketOverflows: what a socket has no room for is counted, and nothing else.
func TestSocketOverflows(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	n, err := newBufferedNet(nil, 1, slog.New(slog.DiscardHandler)) // the system gives its least
	if err != nil {
		t.Fatal(err)
	}
	conn, err := n.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	const sent = 1000
	for range sent {
		if _, err := to.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	lost := n.overflowed()
	if lost == nil {
		t.Fatal("not known")
	}
	// What is not lost is there, and then what is sent now.
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, receiveMTU)
	for range sent - *lost {
		if n, _, err := conn.ReadFrom(p); err != nil || n != 1000 {
			t.Fatalf("%d bytes, %v; %d counted as lost", n, err, *lost)
		}
	}
	if _, err := to.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if n, _, err := conn.ReadFrom(p); err != nil || n != 1 || *lost == 0 {
		t.Errorf("%d bytes, %v; %d counted as lost", n, err, *lost)
	}
}
