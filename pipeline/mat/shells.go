package mat

import (
	"sync"

	"gocv.io/x/gocv"
)

// Of frames' images without pixels these wait to be used again, each with as many
// headers: what a few graphs have in flight.
const (
	maxShells  = 64
	maxHeaders = 8
)

// shells are images that frames have closed, and their headers. Both are made of
// Go's memory and of OpenCV's, which a frame is spared.
type shells struct {
	mu   sync.Mutex // guards idle
	idle []*Image
}

// framed is the process's, as memory is.
var framed shells //nolint:gochecknoglobals // see memory

// take returns an image without pixels, which a frame is about to own: nobody
// else closes it, and that once.
func (s *shells) take() *Image {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return &Image{framed: true}
	}
	m := s.idle[n-1]
	s.idle = s.idle[:n-1]
	m.closed = false
	return m
}

// put keeps m, which is closed, or lets go of it. Where pictures are traced none
// is kept, so that who remembered a Mat finds it closed.
func (s *shells) put(m *Image) {
	if makers.on.Load() {
		m.bare(0)
		return
	}
	m.bare(maxHeaders)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) < maxShells {
		s.idle = append(s.idle, m)
		return
	}
	m.bare(0)
}

// bare closes all headers but a few, which show nothing any more.
func (m *Image) bare(most int) {
	for _, h := range m.headers {
		if h.Closed() {
			continue
		}
		empty(h)
		m.spare = append(m.spare, h)
	}
	clear(m.headers)
	m.headers = m.headers[:0]
	for _, h := range m.spare[min(most, len(m.spare)):] {
		h.Close()
	}
	m.spare = m.spare[:min(most, len(m.spare))]
}

// header returns a spare one over m's pixels, or one that is new. m.mu is held.
func (m *Image) header() (*gocv.Mat, error) {
	n := len(m.spare)
	if n == 0 {
		h, err := wrap(m.p, m.format.Height, m.format.Width, matType(m.format.Layout), m.stride)
		return &h, err
	}
	h := m.spare[n-1]
	m.spare = m.spare[:n-1]
	return h, rewrap(h, m.p, m.format.Height, m.format.Width, matType(m.format.Layout), m.stride)
}
