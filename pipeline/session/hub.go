package session

import (
	"context"
	"iter"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// hubDepth is how far a reader of messages may fall behind.
const hubDepth = 1024

// hub hands messages to everybody who listens. A reader that is too slow loses
// the oldest.
type hub struct {
	mu     sync.Mutex // guards what follows
	queues map[chan pipeline.Message]struct{}
	closed bool
}

func newHub() *hub { return &hub{queues: make(map[chan pipeline.Message]struct{})} }

func (h *hub) tell(m pipeline.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for q := range h.queues {
		for sent := false; !sent; {
			select {
			case q <- m:
				sent = true
			default:
				select {
				case <-q:
				default:
				}
			}
		}
	}
}

// subscribe yields what is told from the call on.
func (h *hub) subscribe(ctx context.Context) iter.Seq[pipeline.Message] {
	q := make(chan pipeline.Message, hubDepth)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return func(func(pipeline.Message) bool) {}
	}
	h.queues[q] = struct{}{}
	leave := context.AfterFunc(ctx, func() { h.leave(q) })
	return func(yield func(pipeline.Message) bool) {
		defer h.leave(q)
		defer leave()
		for m := range q {
			if !yield(m) {
				return
			}
		}
	}
}

func (h *hub) leave(q chan pipeline.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.queues[q]; ok {
		delete(h.queues, q)
		close(q)
	}
}

// close ends what everybody reads, after what waits.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for q := range h.queues {
		delete(h.queues, q)
		close(q)
	}
}
