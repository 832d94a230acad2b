package sdk

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// arriving is a packet of a picture as it comes out of SRTP.
func arriving(tb testing.TB, seq uint16) []byte {
	tb.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 102, SequenceNumber: seq, Timestamp: uint32(seq) / 14 * 3000, SSRC: 7}, Payload: make([]byte, 1150)}
	if err := p.SetExtension(1, []byte{byte(seq >> 8), byte(seq)}); err != nil {
		tb.Fatal(err)
	}
	if err := p.SetExtension(2, []byte("0")); err != nil {
		tb.Fatal(err)
	}
	b, err := p.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// receiving is the way of packets from pion to the reader of a track.
type receiving struct {
	conn  *conn
	count *inbound
	in    stream
	seq   uint16
}

func newReceiving() *receiving {
	t := &Track{}
	t.queue.init()
	c := &conn{feedback: newFeedback()}
	c.names[102] = "h264"
	count := &inbound{track: t, ssrc: 7, clock: 90_000, numbers: 1, repairs: true}
	return &receiving{conn: c, count: count, in: stream{direct: true, conn: c, count: count}}
}

func (r *receiving) packet(tb testing.TB, b []byte) Packet {
	tb.Helper()
	r.seq++
	b[2], b[3] = byte(r.seq>>8), byte(r.seq)
	if _, err := r.in.Write(b); err != nil {
		tb.Fatal(err)
	}
	p, ok := r.count.track.queue.pop()
	if !ok || p.SequenceNumber != r.seq {
		tb.Fatal("the packet is not there")
	}
	return p
}

// TestReceivingAllocatesNothing: but for the memory of the packets themselves,
// which many share.
func TestReceivingAllocatesNothing(t *testing.T) {
	r, b := newReceiving(), arriving(t, 0)
	for range 100 {
		r.packet(t, b)
	}
	if n := testing.AllocsPerRun(1000, func() { r.packet(t, b) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	if many := testing.AllocsPerRun(10, func() {
		for range 1000 {
			r.packet(t, b)
		}
	}); many > 160 {
		t.Errorf("%v allocations for a thousand packets", many)
	}
	if many := testing.AllocsPerRun(10, func() {
		for range 1000 {
			r.packet(t, b).Release()
		}
	}); many != 0 {
		t.Errorf("%v allocations for a thousand packets that are released", many)
	}
}

func BenchmarkReceive(b *testing.B) {
	r, packet := newReceiving(), arriving(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		r.packet(b, packet)
	}
}

// TestSlabKeepsPackets: what was handed out is not written to again.
func TestSlabKeepsPackets(t *testing.T) {
	r, b := newReceiving(), arriving(t, 0)
	var kept []Packet
	for n := range 200 {
		b[len(b)-1] = byte(n)
		kept = append(kept, r.packet(t, b))
		if n%3 == 0 { // others beside it go
			r.packet(t, b).Release()
			r.seq--
		}
	}
	if p, _ := r.in.memory.take(copy(r.in.memory.room(), "no RTP")); p != nil {
		t.Error("what is no packet was taken for one")
	}
	for n, p := range kept {
		if p.SequenceNumber != uint16(n+1) || p.Payload[len(p.Payload)-1] != byte(n) || string(p.GetExtension(2)) != "0" || p.SSRC != 7 {
			t.Fatalf("packet %d is another now: %v", n, p)
		}
	}
}

// A page is used again when all of its packets are released, the last one, too.
func TestPagesAreUsedAgain(t *testing.T) {
	r, b := newReceiving(), arriving(t, 0)
	var all []Packet
	for range 3 * pagePackets {
		all = append(all, r.packet(t, b))
	}
	first := all[0].page
	for _, p := range all[1:] {
		p.Release()
	}
	for range pagePackets {
		if r.packet(t, b).page == first {
			t.Fatal("a page with a packet that is not released is written to")
		}
	}
	all[0].Release()
	seen := false
	for range 3 * pagePackets {
		seen = seen || r.packet(t, b).page == first
	}
	if !seen {
		t.Error("the page is not used again")
	}
	last := r.packet(t, b)
	defer func() {
		if recover() == nil {
			t.Error("a packet is released as often as one likes")
		}
	}()
	for range 2 * pagePackets {
		last.Release()
	}
}

// TestArrivalsAreTold: the sender's estimate of the bandwidth stands on it.
func TestArrivalsAreTold(t *testing.T) {
	f := newFeedback()
	p := &rtp.Packet{}
	for n, number := range []uint16{65534, 65535, 1} {
		*p = rtp.Packet{}
		if err := p.SetExtension(3, []byte{byte(number >> 8), byte(number)}); err != nil {
			t.Fatal(err)
		}
		f.arrived(3, p, f.begun.Add(time.Duration(n)*time.Millisecond))
	}
	f.arrived(0, p, f.begun) // not agreed
	f.arrived(4, p, f.begun) // not there
	packets := f.build()
	if len(packets) != 1 {
		t.Fatalf("%d packets", len(packets))
	}
	told, ok := packets[0].(*rtcp.TransportLayerCC)
	if !ok || told.BaseSequenceNumber != 65534 || told.PacketStatusCount != 4 || len(told.RecvDeltas) != 3 || told.SenderSSRC != f.ssrc {
		t.Errorf("got %v", packets[0])
	}
	if more := f.build(); len(more) != 0 {
		t.Errorf("told twice: %v", more)
	}
}
