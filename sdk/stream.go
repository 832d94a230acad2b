package sdk

import (
	"io"
	"sync"
	"time"

	"github.com/pion/transport/v5/packetio"
)

// streams are where pion puts decrypted packets, by SSRC. In place of its own
// buffers, from which one more goroutine would have to be woken for each packet to
// carry it over into the track's queue.
type streams struct {
	mu  sync.Mutex // guards what follows
	rtp map[uint32]*stream
}

// What waits to be read: of media until its track is known, and of RTCP.
const (
	earlyBytes = 1 << 20
	rtcpBytes  = 100 << 10
)

// open makes room for packets: it is a webrtc.SettingEngine's BufferFactory.
func (s *streams) open(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	if kind != packetio.RTPBufferPacket {
		return newPackets(rtcpBytes)
	}
	opened := &stream{packets: newPackets(earlyBytes)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rtp == nil {
		s.rtp = map[uint32]*stream{}
	}
	s.rtp[ssrc] = opened
	return opened
}

// find returns what was opened for an SSRC, the last time.
func (s *streams) find(ssrc uint32) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rtp[ssrc]
}

// packets is pion's buffer of packets as a stream.
type packets struct{ *packetio.Buffer }

func newPackets(limit int) packets {
	p := packets{packetio.NewBuffer()}
	p.SetLimitSize(limit)
	return p
}

// Read implements io.Reader.
func (p packets) Read(b []byte) (int, error) {
	n, _, err := p.Buffer.Read(b, nil)
	return n, err
}

// Write implements io.Writer.
func (p packets) Write(b []byte) (int, error) { return p.Buffer.Write(b, nil) }

// stream takes the packets of one SSRC. The first of them are read, as pion does to
// find out whose they are; when it has read them all, the others are handed on as
// they are written.
type stream struct {
	packets

	mu     sync.Mutex // guards what follows
	direct bool       // conn and count are known, and nothing waits to be read
	conn   *conn
	count  *inbound
	memory slab
}

// Write implements io.Writer. It is called by pion's one goroutine that decrypts.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.direct {
		return s.packets.Write(p)
	}
	s.take(p)
	return len(p), nil
}

// handOver hands on a packet that was read. Where it was the last, those that are
// written from now on follow it by themselves.
func (s *stream) handOver(p []byte, c *conn, count *inbound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.count = c, count
	s.take(p)
	s.direct = s.direct || s.Count() == 0
}

// take hands a packet on, if its payload is of a type that was agreed. s.mu is held.
func (s *stream) take(p []byte) {
	room := s.memory.room()
	if len(p) > len(room) {
		return
	}
	packet, on := s.memory.take(copy(room, p))
	switch {
	case packet == nil:
	case s.conn.names[packet.PayloadType&0x7f] == "":
		on.release()
	default:
		s.conn.took(packet, on, s.count, len(p), time.Now())
	}
}
