package main

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
)

// countAllocations has every allocation from now on recorded with its callers.
func countAllocations() { runtime.MemProfileRate = 1 }

// allocations are the counts so far, by the innermost function that is not of Go's
// own library: who makes a slice grow by a package of it has allocated.
type allocations map[string]int64

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
		all[allocator(r.Stack())] += r.AllocObjects
	}
	return all
}

func allocator(stack []uintptr) string {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		host, _, path := strings.Cut(f.Function, "/")
		if path && strings.Contains(host, ".") || strings.HasPrefix(f.Function, "main.") || !more {
			return f.Function
		}
	}
}

// ours is what the functions of this module begin with; this program's own begin
// with main.
const ours = "github.com/reactorpipe/reactorpipe/"

// Allocated is what was allocated for each frame, by us and by all, and where most
// of it.
type Allocated struct {
	Ours, All float64
	Sites     []site
}

type site struct {
	Function string
	PerFrame float64
}

// mostSites are as many as are named.
const mostSites = 12

func (a allocations) since(before allocations, frames int) Allocated {
	var out Allocated
	for f, n := range a {
		each := float64(n-before[f]) / float64(max(frames, 1))
		if each == 0 || strings.HasPrefix(f, "main.") {
			continue
		}
		out.All += each
		if strings.HasPrefix(f, ours) {
			out.Ours += each
		}
		out.Sites = append(out.Sites, site{strings.TrimPrefix(f, ours), each})
	}
	slices.SortFunc(out.Sites, func(a, b site) int { return cmp.Compare(b.PerFrame, a.PerFrame) })
	out.Sites = out.Sites[:min(len(out.Sites), mostSites)]
	return out
}
