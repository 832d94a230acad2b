package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// allocationRows are the allocations of one session on its way from the wire to
// BGR. The same access units at 30 and at 15 frames a second tell apart what is
// done for each frame and what is done for each second.
func allocationRows(ctx context.Context, h *harness) ([]row, error) {
	clip, err := h.clip(ctx, "h264")
	if err != nil {
		return nil, err
	}
	slow := filepath.Join(h.dir, "h264-slow.mkv")
	if _, err := h.cpu(ctx, "ffmpeg", "-loglevel", "error", "-itsscale", "2", "-i", clip, "-c", "copy", "-y", slow); err != nil {
		return nil, err
	}
	var at30, at15 allocated
	for clip, into := range map[string]*allocated{clip: &at30, slow: &at15} {
		err := h.servedClip(ctx, clip, func(url string) error { return h.call(ctx, into, "allocate", url, "h264") })
		if err != nil {
			return nil, err
		}
	}
	frame, second, err := at30.split(at15)
	if err != nil {
		return nil, err
	}
	own := frame.of(us)
	rows := []row{
		{what: "allocations for each frame from the wire, our code", value: fmt.Sprintf("%.2f", own), bar: fmt.Sprintf("0, < %.1f", noAllocation), ok: own < noAllocation},
		{what: "… pion's, others'", value: fmt.Sprintf("%.1f, %.1f", frame.of(pion), frame.of(others))},
		{what: "… and for each second, ours, pion's, others'", value: fmt.Sprintf("%.0f, %.0f, %.0f", second.of(us), second.of(pion), second.of(others))},
	}
	for _, function := range frame.most() {
		rows = append(rows, row{what: "… for each frame: " + strings.TrimPrefix(function, us), value: fmt.Sprintf("%.2f", frame[function])})
	}
	for _, function := range second.most() {
		rows = append(rows, row{what: "… for each second: " + strings.TrimPrefix(function, us), value: fmt.Sprintf("%.1f", second[function])})
	}
	return rows, nil
}

// noAllocation is less than what counts as one for each frame. A few in ten seconds are
// a tick that one rate had more of than the other, or an item of a pool.
const noAllocation = 0.1

// Those who allocate, by what their functions begin with: this module, whose
// program for measuring begins with main, and what sdk stands on.
const (
	us     = "github.com/reactorpipe/reactorpipe/"
	pion   = "github.com/pion/"
	others = "" // all but these
)

// allocated is what was allocated while frames came.
type allocated struct {
	Frames  int
	Seconds float64
	By      allocations
}

// allocations are counts by the innermost function that is not of Go's own
// library: who makes a slice grow by a package of it has allocated. Only the runtime's
// own notes of those who wait are nobody else's.
type allocations map[string]float64

// split solves for what each function allocates for a frame and for a second,
// given the same stream at another rate.
func (a allocated) split(b allocated) (frame, second allocations, err error) {
	det := float64(a.Frames)*b.Seconds - float64(b.Frames)*a.Seconds
	if det == 0 {
		return nil, nil, errors.New("allocations: both streams had the same rate")
	}
	frame, second = allocations{}, allocations{}
	all := maps.Clone(a.By)
	maps.Copy(all, b.By)
	for function := range all {
		if strings.HasPrefix(function, "main.") {
			continue
		}
		frame[function] = (a.By[function]*b.Seconds - b.By[function]*a.Seconds) / det
		second[function] = (b.By[function]*float64(a.Frames) - a.By[function]*float64(b.Frames)) / det
	}
	return frame, second, nil
}

// of is the sum of some functions'.
func (a allocations) of(whose string) (sum float64) {
	for function, n := range a {
		mine := strings.HasPrefix(function, whose)
		if whose == others {
			mine = !strings.HasPrefix(function, us) && !strings.HasPrefix(function, pion)
		}
		if mine {
			sum += n
		}
	}
	return sum
}

// mostNamed are as many functions as are named, ours first, and the least of what
// is worth it.
const (
	mostNamed  = 5
	worthANote = 0.05
)

// most are the functions that allocate most of all, of ours and of all others.
func (a allocations) most() []string {
	var ours, theirs []string
	for _, function := range slices.SortedFunc(maps.Keys(a), func(x, y string) int { return cmp.Compare(a[y], a[x]) }) {
		switch {
		case a[function] < worthANote:
		case strings.HasPrefix(function, us):
			ours = append(ours, function)
		default:
			theirs = append(theirs, function)
		}
	}
	return append(ours[:min(len(ours), mostNamed)], theirs[:min(len(theirs), mostNamed)]...)
}

// allocateChild counts the allocations of one session. Its arguments are the
// server's URL and the codec.
//
// To read a profile takes collections, which empty pools, and who fills them again
// allocates. So a short time is taken from a long one that began in the same way.
func allocateChild(ctx context.Context, args []string) error {
	runtime.MemProfileRate = 1 // every allocation, with its callers
	one := newCompany(ctx, args[0], args[1], asBGR)
	if err := one.join(ctx, 1); err != nil {
		return errors.Join(err, one.end())
	}
	short, err := allocatedIn(ctx, one, settleSeconds*time.Second)
	if err != nil {
		return errors.Join(err, one.end())
	}
	long, err := allocatedIn(ctx, one, (settleSeconds+receiveSeconds)*time.Second)
	if err != nil {
		return errors.Join(err, one.end())
	}
	return errors.Join(one.end(), tell(long.less(short)))
}

func allocatedIn(ctx context.Context, all *company, d time.Duration) (allocated, error) {
	before, begun := readAllocations(), time.Now()
	c, err := all.observe(ctx, d)
	if err != nil {
		return allocated{}, err
	}
	a := allocated{Frames: c.Frames, Seconds: time.Since(begun).Seconds(), By: readAllocations()}
	return a.less(allocated{By: before}), nil
}

func (a allocated) less(b allocated) allocated {
	for function, n := range b.By {
		a.By[function] -= n
	}
	a.Frames -= b.Frames
	a.Seconds -= b.Seconds
	return a
}

func readAllocations() allocations {
	runtime.GC() // a profile is of the time before the collection before the last
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 1000)
	n, ok := runtime.MemProfile(records, true)
	for ; !ok; n, ok = runtime.MemProfile(records, true) {
		records = make([]runtime.MemProfileRecord, 2*n)
	}
	all := allocations{}
	for _, r := range records[:n] {
		all[allocator(r.Stack())] += float64(r.AllocObjects)
	}
	return all
}

// waiting is how Go's runtime makes the note of a goroutine that waits. It keeps the
// notes of each processor, some hundred, so that whoever waits on one and goes on on
// another has it make them for a while.
const waiting = "runtime.acquireSudog"

func allocator(stack []uintptr) string {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		host, _, path := strings.Cut(f.Function, "/")
		own := path && strings.Contains(host, ".") || strings.HasPrefix(f.Function, "main.")
		if own || f.Function == waiting || !more {
			return f.Function
		}
	}
}
