package pipeline

import (
	"context"
	"iter"
	"sync"
)

// topicDepth is how far a reader of messages may fall behind.
const topicDepth = 1024

// MessageTopic hands messages to everybody who listens, as [Session].Messages
// does: a reader that is too slow loses the oldest. It is safe for concurrent use.
// The zero value has no readers.
type MessageTopic struct {
	mu     sync.Mutex // guards what follows
	queues map[chan Message]struct{}
	closed bool
}

// Tell gives m to all readers. It does not wait for them.
func (t *MessageTopic) Tell(m Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for q := range t.queues {
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

// Subscribe yields what is told from the call on, until ctx ends or the topic is
// closed.
func (t *MessageTopic) Subscribe(ctx context.Context) iter.Seq[Message] {
	q := make(chan Message, topicDepth)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return func(func(Message) bool) {}
	}
	if t.queues == nil {
		t.queues = make(map[chan Message]struct{})
	}
	t.queues[q] = struct{}{}
	leave := context.AfterFunc(ctx, func() { t.leave(q) })
	return func(yield func(Message) bool) {
		defer t.leave(q)
		defer leave()
		for m := range q {
			if !yield(m) {
				return
			}
		}
	}
}

func (t *MessageTopic) leave(q chan Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.queues[q]; ok {
		delete(t.queues, q)
		close(q)
	}
}

// Close ends what everybody reads, after what waits, and will begin to read. It
// may be called again.
func (t *MessageTopic) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for q := range t.queues {
		delete(t.queues, q)
		close(q)
	}
}
