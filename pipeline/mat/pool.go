package mat

// #include <stdlib.h>
import "C"

import (
	"fmt"
	"slices"
	"sync"
	"unsafe"
)

// maxIdle bounds the memory that waits to be used again, in bytes: ten pictures
// of 4K, or what max_in_flight and a few sinks hold of anything smaller.
const maxIdle = 256 << 20

// alignment is that of the widest vector registers; tail is room behind the
// last row for a converter that writes whole registers.
const (
	alignment = 64
	tail      = 64
)

// buffer is memory for one picture.
type buffer struct {
	p    unsafe.Pointer
	size int
}

// pool keeps memory warm: fresh pages cost more than the conversion into them.
type pool struct {
	mu    sync.Mutex // guards all below
	idle  []buffer   // the longest idle first
	bytes int        // in idle
	lent  int
}

// memory is the process's, as the allocator behind it is: frames go from one
// graph's source to any package's stage and carry no pool along.
var memory pool //nolint:gochecknoglobals // see above

// take returns memory of exactly size bytes with whatever is in it.
func (o *pool) take(size int) (buffer, error) {
	b, err := o.find(size)
	if err == nil {
		makers.took(b.p)
	}
	return b, err
}

func (o *pool) find(size int) (buffer, error) {
	if b, ok := o.reuse(size); ok {
		return b, nil
	}
	p := C.aligned_alloc(alignment, C.size_t((size+tail+alignment-1)/alignment*alignment))
	if p == nil {
		o.giveUp()
		return buffer{}, fmt.Errorf("mat: no memory for %d bytes", size)
	}
	return buffer{p, size}, nil
}

func (o *pool) reuse(size int) (buffer, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lent++
	for i, b := range slices.Backward(o.idle) {
		if b.size == size {
			o.idle = slices.Delete(o.idle, i, i+1)
			o.bytes -= size
			return b, true
		}
	}
	return buffer{}, false
}

func (o *pool) giveUp() {
	o.mu.Lock()
	o.lent--
	o.mu.Unlock()
}

// put takes b back. Nobody looks at it any more.
func (o *pool) put(b buffer) {
	makers.gave(b.p)
	o.mu.Lock()
	o.lent--
	o.idle = append(o.idle, b)
	o.bytes += b.size
	surplus := o.surplus(maxIdle)
	o.mu.Unlock()
	free(surplus)
}

// surplus removes what has been idle for longest until no more than limit bytes
// are.
func (o *pool) surplus(limit int) []buffer {
	n := 0
	for o.bytes > limit {
		o.bytes -= o.idle[n].size
		n++
	}
	if n == 0 {
		return nil
	}
	gone := slices.Clone(o.idle[:n])
	o.idle = slices.Delete(o.idle, 0, n)
	return gone
}

func free(bs []buffer) {
	for _, b := range bs {
		C.free(b.p)
	}
}

// Live returns how many pictures of this package are in use. Tests compare it
// before and after to find what was never closed or released.
func Live() int {
	memory.mu.Lock()
	defer memory.mu.Unlock()
	return memory.lent
}
