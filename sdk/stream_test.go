package sdk

import (
	"errors"
	"io"
	"testing"

	"github.com/pion/transport/v5/packetio"
)

// TestStream: packets go by way of whoever reads until he has read them all, and
// from then on straight to the track, in their order.
func TestStream(t *testing.T) {
	t.Parallel()
	r := newReceiving()
	var in streams
	w := in.open(packetio.RTPBufferPacket, 7)
	s := in.find(7)
	var seq uint16
	write := func() {
		t.Helper()
		seq++
		if _, err := w.Write(arriving(t, seq)); err != nil {
			t.Fatal(err)
		}
	}
	handOver := func() {
		t.Helper()
		p := make([]byte, receiveMTU)
		n, err := w.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		s.handOver(p[:n], r.conn, r.count)
	}
	for range 3 {
		write()
	}
	handOver()
	write()
	for range 3 {
		handOver()
	}
	write()
	strange := arriving(t, 999)
	strange[1] = 103 // not agreed
	oversized := append(arriving(t, 998), make([]byte, receiveMTU)...)
	for _, p := range [][]byte{strange, oversized, {1}} {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	write()
	for want := uint16(1); want <= seq; want++ {
		if p, ok := r.count.track.queue.pop(); !ok || p.SequenceNumber != want || p.Codec != "h264" {
			t.Fatalf("packet %d: got %v", want, p)
		}
	}
	if p, more := r.count.track.queue.pop(); more {
		t.Errorf("one more: %v", p)
	}
	if s.Count() != 0 {
		t.Errorf("%d packets wait to be read", s.Count())
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Read(make([]byte, receiveMTU)); !errors.Is(err, io.EOF) {
		t.Errorf("closed: %v", err)
	}
	if in.find(8) != nil {
		t.Error("there is a stream that nobody opened")
	}
	if again := in.open(packetio.RTPBufferPacket, 7); in.find(7) != again || in.open(packetio.RTCPBufferPacket, 7) == again {
		t.Error("a stream is not the one that was opened last")
	}
}
