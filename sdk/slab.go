package sdk

import (
	"sync"
	"sync/atomic"

	"github.com/pion/rtp"
)

// pageSize holds some 26 packets: one allocation for all of them, the largest that
// the runtime keeps at hand.
const pageSize = 32 << 10

// Packets to a page, and header extensions to a packet; more of those cost an
// allocation.
const (
	pagePackets    = pageSize / 1200
	pageExtensions = 2
)

// maxSpare is how many pages wait to be used again: what a reader has of a picture
// that is large.
const maxSpare = 16

// page is memory of packets that are handed out. When all of them are released it
// is used again, or else let go of with the last of them.
type page struct {
	home       *slab
	bytes      []byte
	packets    []rtp.Packet
	extensions []rtp.Extension
	size       int          // of bytes that are taken
	count      int          // of packets that are
	held       atomic.Int32 // packets that are not released, and the slab while it fills the page
}

func newPage(home *slab) *page {
	return &page{
		home: home, bytes: make([]byte, pageSize),
		packets: make([]rtp.Packet, pagePackets), extensions: make([]rtp.Extension, pagePackets*pageExtensions),
	}
}

func (p *page) full() bool { return pageSize-p.size < receiveMTU || p.count == pagePackets }

// release ends one hold on the page.
func (p *page) release() {
	switch n := p.held.Add(-1); {
	case n == 0:
		p.home.keep(p)
	case n < 0:
		panic("sdk: packet released twice")
	}
}

// slab is where packets are put that are handed out. One goroutine puts them.
type slab struct {
	filling *page // nil before the first

	mu    sync.Mutex // guards spare
	spare []*page
}

// room returns memory for the next packet as it comes.
func (s *slab) room() []byte {
	if s.filling != nil && s.filling.full() {
		s.filling.release()
		s.filling = nil
	}
	if s.filling == nil {
		s.filling = s.open()
	}
	return s.filling.bytes[s.filling.size:][:receiveMTU]
}

// open returns an empty page, which the slab holds.
func (s *slab) open() *page {
	p := s.unused()
	if p == nil {
		p = newPage(s)
	}
	p.size, p.count = 0, 0
	p.held.Store(1)
	return p
}

func (s *slab) unused() *page {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.spare)
	if n == 0 {
		return nil
	}
	p := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return p
}

func (s *slab) keep(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, p)
	}
}

// take reads the packet whose n bytes lie in the room, and says on which page it
// is; nil if it is none.
func (s *slab) take(n int) (*rtp.Packet, *page) {
	at := s.filling
	p := &at.packets[at.count]
	*p = rtp.Packet{}
	first := at.count * pageExtensions
	p.Extensions = at.extensions[first : first : first+pageExtensions]
	if p.Unmarshal(at.bytes[at.size:][:n:n]) != nil {
		return nil, nil
	}
	at.size += n
	at.count++
	at.held.Add(1)
	return p, at
}
