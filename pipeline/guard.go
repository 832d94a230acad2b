package pipeline

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// guard remembers what an image and its conversions look like, to find out who
// wrote to them without asking.
type guard struct {
	mu      sync.Mutex // guards what follows
	sums    map[Image]uint64
	holders map[string]int // of frames that are lent or kept
	last    string         // whose call ended last
}

func newGuard() *guard { return &guard{sums: map[Image]uint64{}, holders: map[string]int{}} }

// Guard has the pixels of f, and of all frames that share them, guarded against
// writing: see Watch. It costs a look at every byte for each call, and is for
// the graph, which calls it as f enters.
func (f *Frame) Guard() {
	if f.pixels == nil || f.pixels.guard != nil {
		return
	}
	f.pixels.guard = newGuard()
	f.pixels.check()
}

// Watch says that node is lent f from here until Verify. The error names who
// wrote to pixels of f before, without Edit. It is for the graph.
func (f *Frame) Watch(node string) error {
	if f.pixels == nil || f.pixels.guard == nil {
		return nil
	}
	f.watched, f.guarded = node, f.pixels
	err := f.pixels.check()
	f.pixels.guard.hold(node, 1)
	return err
}

// Verify ends what Watch began. The error names who wrote to pixels of f
// without Edit; where several had them, all of those.
func (f *Frame) Verify() error {
	if f.guarded == nil {
		return nil
	}
	var first error
	for _, p := range append(slices.Clip(f.retired), f.pixels) {
		if p == nil || p.guard == nil {
			continue
		}
		if err := p.check(); first == nil {
			first = err
		}
		p.guard.ended(f.watched)
	}
	f.guarded.guard.hold(f.watched, -1)
	f.watched, f.guarded = "", nil
	return first
}

// keep counts a Keep by the node that f is lent to.
func (f *Frame) keep(k *Frame) {
	if f.watched == "" || k.pixels == nil || k.pixels.guard == nil {
		return
	}
	k.keeper = f.watched
	k.pixels.guard.hold(k.keeper, 1)
}

// check compares the image and its conversions with what they looked like, and
// takes note of what they look like now.
func (p *pixels) check() error {
	p.mu.Lock()
	images := []Image{p.image}
	for _, v := range p.views {
		if v.made.Load() && v.image != nil {
			images = append(images, v.image)
		}
	}
	p.mu.Unlock()
	g := p.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := false
	for _, img := range images {
		sum, ok := sumOf(img)
		if !ok {
			continue
		}
		before, known := g.sums[img]
		changed = changed || known && before != sum
		g.sums[img] = sum
	}
	if changed {
		return fmt.Errorf("%s wrote to a shared frame; call mat.Edit", g.suspects())
	}
	return nil
}

// suspects are all that have the pixels, or else who had them last. g.mu is held.
func (g *guard) suspects() string {
	names := slices.Sorted(maps.Keys(g.holders))
	if len(names) == 0 && g.last != "" {
		return g.last
	}
	if len(names) == 0 {
		return "the source"
	}
	return strings.Join(names, " or ")
}

func (g *guard) hold(node string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders[node] += n
	if g.holders[node] == 0 {
		delete(g.holders, node)
	}
}

func (g *guard) ended(node string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = node
}

// made takes note of a new conversion.
func (g *guard) made(img Image) {
	sum, ok := sumOf(img)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sums[img] = sum
}

// edited forgets what is about to be written to, and conversions of it.
func (g *guard) edited() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.sums)
}

//nolint:gochecknoglobals // hashes of one process are compared with each other alone
var seed = maphash.MakeSeed()

// sumOf is false for what cannot be read where it lies.
func sumOf(img Image) (uint64, bool) {
	p, ok := img.(Planar)
	if !ok {
		return 0, false
	}
	var h maphash.Hash
	h.SetSeed(seed)
	f := img.Format()
	for i := range planes(f.Layout) {
		at, stride := p.Plane(i)
		if at == nil {
			return 0, false
		}
		width, height := planeSize(f, i)
		for y := range height {
			h.Write(unsafe.Slice((*byte)(unsafe.Add(at, y*stride)), width))
		}
	}
	return h.Sum64(), planes(f.Layout) > 0
}

// planes returns how many a layout has; 0 where that is not known.
func planes(l Layout) int {
	switch l {
	case I420:
		return 3
	case NV12:
		return 2
	case BGR24, RGB24, Gray8:
		return 1
	case LayoutUnknown, Opaque:
	}
	return 0
}

// planeSize returns the bytes in a row of a plane and its rows.
func planeSize(f Format, plane int) (width, height int) {
	switch {
	case f.Layout == BGR24 || f.Layout == RGB24:
		return 3 * f.Width, f.Height
	case plane == 0:
		return f.Width, f.Height
	case f.Layout == NV12:
		return 2 * ((f.Width + 1) / 2), (f.Height + 1) / 2
	}
	return (f.Width + 1) / 2, (f.Height + 1) / 2
}
