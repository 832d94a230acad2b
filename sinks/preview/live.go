package preview

import (
	"context"
	"sync"
)

// live is the newest picture, encoded once for all who watch. A viewer that is
// slower than the pictures come misses some and costs nothing.
type live struct {
	mu      sync.Mutex // guards all below
	viewers int
	picture []byte
	changed chan struct{} // closed when picture is replaced
}

func newLive() *live { return &live{changed: make(chan struct{})} }

// watch counts a viewer until the returned function is called.
func (l *live) watch() (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.viewers++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.viewers--
		if l.viewers == 0 {
			l.picture = nil // the next viewer is not to see an old one
		}
	}
}

func (l *live) watched() bool { return l.count() > 0 }

func (l *live) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.viewers
}

// show replaces the picture, which is not changed after that.
func (l *live) show(picture []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.picture = picture
	close(l.changed)
	l.changed = make(chan struct{})
}

// newest returns the picture, if there is one yet, and what is closed when it
// changes.
func (l *live) newest() ([]byte, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.picture, l.changed
}

// next waits for a picture that was shown after the call.
func (l *live) next(ctx context.Context) ([]byte, error) {
	_, changed := l.newest()
	select {
	case <-changed:
		picture, _ := l.newest()
		return picture, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
