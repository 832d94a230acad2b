package pipeline

import (
	"slices"
	"sync"
	"time"
)

// Sent remembers frames that were sent to a model, for the replies that name them.
// It is safe for concurrent use; a nil one remembers nothing.
type Sent struct {
	mu      sync.Mutex // guards what follows
	senders map[string]bool
	asked   map[string][]string // stages whose detections a sender is to note
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
	// Width and Height are those of the picture that was sent, in pixels.
	Width, Height int
	// Detections that were asked for, by the stage that had set them, in the pixels
	// of that picture.
	Detections map[string][]Detection
}

// Found returns what a stage had detected on the frame, in the pixels of another
// picture that shows the same; where that has no size, in those of its own.
func (f SentFrame) Found(stage string, width, height int) (found []Detection, ok bool) {
	found, ok = f.Detections[stage]
	if !ok || width <= 0 || height <= 0 || f.Width <= 0 || f.Height <= 0 {
		return found, ok
	}
	by := Scale(float64(width)/float64(f.Width), float64(height)/float64(f.Height))
	return Detections.mapGeometry(found, by), true
}

// mostSent bounds the frames that are remembered: half a minute of usual ones.
const mostSent = 1024

// NewSent returns an empty memory.
func NewSent() *Sent {
	return &Sent{senders: make(map[string]bool), asked: make(map[string][]string), frames: make(map[sentKey]SentFrame)}
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

// Ask has a sender note what a stage had detected on its frames.
func (s *Sent) Ask(sender, stage string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.asked[sender], stage) {
		s.asked[sender] = append(slices.Clone(s.asked[sender]), stage)
	}
}

// Asked returns the stages whose detections are asked for of a sender. The list is
// not to be changed.
func (s *Sent) Asked(sender string) []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[sender]
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
