package pipeline

import (
	"sync"
	"time"
)

// Sent remembers frames that were sent to a model, for the replies that name them.
// It is safe for concurrent use; a nil one remembers nothing.
type Sent struct {
	mu      sync.Mutex // guards what follows
	senders map[string]bool
	frames  map[sentKey]SentFrame
	order   []sentKey // the oldest first; some may be answered
}

// sentKey is what a sender calls a frame.
type sentKey struct{ sender, key string }

// SentFrame is a frame that was sent.
type SentFrame struct {
	Seq uint64
	PTS time.Duration
	// At is when it was sent.
	At time.Time
}

// mostSent bounds the frames that are remembered: half a minute of usual ones.
const mostSent = 1024

// NewSent returns an empty memory.
func NewSent() *Sent {
	return &Sent{senders: make(map[string]bool), frames: make(map[sentKey]SentFrame)}
}

// Declare says that a node sends frames.
func (s *Sent) Declare(sender string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.senders[sender] = true
}

// Sends says whether a node has declared that it sends frames.
func (s *Sent) Sends(sender string) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.senders[sender]
}

// Note remembers a frame by a key. The oldest are forgotten.
func (s *Sent) Note(sender, key string, f SentFrame) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sentKey{sender, key}
	if _, known := s.frames[k]; !known {
		s.order = append(s.order, k)
	}
	s.frames[k] = f
	if len(s.order) > mostSent {
		delete(s.frames, s.order[0])
		s.order = append(s.order[:0], s.order[1:]...)
	}
}

// Answer returns the frame that a reply names, once.
func (s *Sent) Answer(sender, key string) (SentFrame, bool) {
	if s == nil {
		return SentFrame{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sentKey{sender, key}
	f, known := s.frames[k]
	delete(s.frames, k)
	return f, known
}
