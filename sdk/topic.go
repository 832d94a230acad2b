package sdk

import (
	"context"
	"iter"
	"sync"
)

// topic hands everything that is published to every subscriber, each with a
// bounded queue of its own from which the oldest falls out.
type topic[T any] struct {
	depth int
	// missed, if set, writes into an item how many before it fell out.
	missed func(item *T, n int)
	// seen, if set, is called with everything that is published.
	seen func(item T)

	mu     sync.Mutex // guards what follows
	subs   map[*subscription[T]]struct{}
	closed bool
}

type subscription[T any] struct {
	mu     sync.Mutex // guards what follows
	queue  []T
	lost   int
	closed bool
	wake   chan struct{}
}

// subscribe queues what is published from now on until ctx ends. What is queued
// when the topic closes is still delivered. The sequence is for one reader, once.
func (t *topic[T]) subscribe(ctx context.Context) iter.Seq[T] {
	s := &subscription[T]{wake: make(chan struct{}, 1)}
	t.mu.Lock()
	s.closed = t.closed
	if !t.closed {
		if t.subs == nil {
			t.subs = map[*subscription[T]]struct{}{}
		}
		t.subs[s] = struct{}{}
	}
	t.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { t.drop(s) })
	return func(yield func(T) bool) {
		defer func() { stop(); t.drop(s) }()
		for {
			item, ok, over := s.next(t.missed)
			if ok && ctx.Err() == nil {
				if !yield(item) {
					return
				}
				continue
			}
			if over || ctx.Err() != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
		}
	}
}

func (t *topic[T]) drop(s *subscription[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.subs, s)
}

func (t *topic[T]) publish(item T) {
	if t.seen != nil {
		t.seen(item)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.subs {
		s.push(item, t.depth)
	}
}

// close ends every subscription after what is queued.
func (t *topic[T]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for s := range t.subs {
		s.end()
	}
}

func (s *subscription[T]) push(item T, depth int) {
	s.mu.Lock()
	if len(s.queue) == depth {
		s.queue = s.queue[1:]
		s.lost++
	}
	s.queue = append(s.queue, item)
	s.mu.Unlock()
	s.notify()
}

func (s *subscription[T]) end() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.notify()
}

func (s *subscription[T]) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription[T]) next(missed func(*T, int)) (item T, ok, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return item, false, s.closed
	}
	item = s.queue[0]
	s.queue = s.queue[1:]
	if s.lost > 0 && missed != nil {
		missed(&item, s.lost)
	}
	s.lost = 0
	return item, true, false
}
