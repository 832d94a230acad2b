package mat

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// trace remembers who asked for the memory that is lent.
type trace struct {
	on atomic.Bool

	mu   sync.Mutex // guards lent
	lent map[unsafe.Pointer]string
}

//nolint:gochecknoglobals // belongs to memory
var makers = func() *trace {
	t := &trace{lent: map[unsafe.Pointer]string{}}
	t.on.Store(traced)
	return t
}()

// Trace has Leaks know of pictures made from here on. It costs a look at the
// stack for each. The build tag framecheck traces from the start.
func Trace() { makers.on.Store(true) }

// Leaks says where pictures were made that are in use: the function and line
// outside this package, and how many. Once nothing runs any more, they are
// those that were never closed or released.
func Leaks() []string {
	makers.mu.Lock()
	defer makers.mu.Unlock()
	n := map[string]int{}
	for _, maker := range makers.lent {
		n[maker]++
	}
	out := slices.Sorted(maps.Keys(n))
	for i, maker := range out {
		out[i] = fmt.Sprintf("%s: %d", maker, n[maker])
	}
	return out
}

func (t *trace) took(p unsafe.Pointer) {
	if !t.on.Load() {
		return
	}
	maker := caller()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lent[p] = maker
}

func (t *trace) gave(p unsafe.Pointer) {
	if !t.on.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.lent, p)
}

// caller names the first function on the stack that is neither of this package
// nor of the frame's, which calls it for a view.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !inside(f.Function) || !more {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
	}
}

func inside(function string) bool {
	const pipeline = "github.com/reactorpipe/reactorpipe/pipeline"
	for _, within := range []string{pipeline + "/mat.", pipeline + ".", "sync.", "runtime."} {
		if strings.HasPrefix(function, within) {
			return true
		}
	}
	return false
}
