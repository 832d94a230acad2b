package pipeline

import "sync"

// What frames are made of comes and goes with every picture. It waits here to be
// used again, as memory does behind an allocator: frames come from anybody's
// source and carry no pool along.
//
//nolint:gochecknoglobals // see above
var (
	spareFrames = sync.Pool{New: func() any { return new(Frame) }}
	spareSlots  = sync.Pool{New: func() any { return new(slot) }}
	sparePixels = sync.Pool{New: func() any { return new(pixels) }}
	spareViews  = sync.Pool{New: func() any { return new(view) }}
)

// Recycle is Release, and makes f another frame before long: nobody may have
// remembered it, who was only lent it. It is for the graph, and for others who
// lend frames of their own. A frame that is given up with Release stays what it
// is, so that a use of it is found; with the build tag framecheck all do.
func (f *Frame) Recycle() error {
	err := f.Release()
	if !recycling {
		return err
	}
	*f = Frame{retired: f.retired, stale: f.stale, released: true}
	spareFrames.Put(f)
	return err
}

func spareFrame() *Frame {
	f := spareFrames.Get().(*Frame) //nolint:errcheck // nothing else is put there
	f.released = false
	return f
}

func newSlot(free func()) *slot {
	s := spareSlots.Get().(*slot) //nolint:errcheck // nothing else is put there
	s.free = free
	s.refs.Store(1)
	return s
}

// leave ends one frame's hold on the slot. The last one empties it.
func (s *slot) leave() {
	if s.refs.Add(-1) > 0 {
		return
	}
	free := s.free
	s.free = nil
	spareSlots.Put(s)
	free()
}

func newPixels(img Image) *pixels {
	p := sparePixels.Get().(*pixels) //nolint:errcheck // nothing else is put there
	p.image = img
	p.refs.Store(1)
	return p
}

// recycle makes p, which nobody holds, the next picture's. Pixels that are
// guarded may still be asked who wrote to them.
func (p *pixels) recycle() {
	if p.guard != nil {
		return
	}
	p.image = nil
	sparePixels.Put(p)
}

func newView(to Format) *view {
	v := spareViews.Get().(*view) //nolint:errcheck // nothing else is put there
	v.format = to
	return v
}

// end closes what was converted and gives up v.
func (v *view) end() error {
	img := v.image
	*v = view{}
	spareViews.Put(v)
	if img == nil {
		return nil
	}
	return img.Close()
}
