package pipeline

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// Image is one picture in memory. It has one owner, who closes it once. An
// image that a Frame holds belongs to the frame.
type Image interface {
	Format() Format
	// Clone returns an independent image with the same pixels. Where the
	// pixels are never written to it may share them.
	Clone() (Image, error)
	Close() error
}

// Planar is an Image whose planes can be read where they lie. Plane i starts
// at p and has rows of stride bytes; both stay valid until the image is closed.
type Planar interface {
	Image
	Plane(i int) (p unsafe.Pointer, stride int)
}

// Converter is an Image that can write itself in another layout and size, both
// in one pass. dst has rows of stride bytes. For a planar layout dst is one
// buffer: the luma rows, then for I420 the U and the V plane with rows of
// stride/2 bytes and (height+1)/2 of them, for NV12 one plane of rows of stride
// bytes. A Gray8 destination is full range whatever the source is.
type Converter interface {
	Image
	ConvertTo(dst unsafe.Pointer, stride int, to Format) error
}

// pixels is one image and what was converted from it, held by one or more
// frames. Whoever drops the last reference closes it.
type pixels struct {
	refs  atomic.Int32
	image Image
	guard *guard // nil: nobody looks who writes

	mu    sync.Mutex // guards views, not the conversions themselves
	views []*view
}

// view is a conversion of an image, made once whoever asks first.
type view struct {
	format Format
	once   sync.Once
	made   atomic.Bool
	image  Image
	err    error
}

func (p *pixels) hold() *pixels {
	p.refs.Add(1)
	return p
}

func (p *pixels) release() error {
	if p.refs.Add(-1) > 0 {
		return nil
	}
	err := p.image.Close()
	for _, v := range p.views {
		if e := v.end(); err == nil {
			err = e
		}
	}
	clear(p.views)
	p.views = p.views[:0]
	p.recycle()
	return err
}

// sole says that no other frame holds p. Only a holder can add another, so for
// the sole holder the answer cannot turn false behind its back.
func (p *pixels) sole() bool { return p.refs.Load() == 1 }

func (p *pixels) view(to Format, convert func(Image) (Image, error)) (Image, error) {
	v := p.viewOf(to)
	v.once.Do(func() {
		v.image, v.err = convert(p.image)
		if p.guard != nil && v.image != nil {
			p.guard.made(v.image)
		}
		v.made.Store(true)
	})
	return v.image, v.err
}

func (p *pixels) viewOf(to Format) *view {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.views {
		if v.format == to {
			return v
		}
	}
	v := newView(to)
	p.views = append(p.views, v)
	return v
}

// takeViews moves p's conversions, which no longer show its pixels, behind to. The
// caller ends them when nobody can be looking any more.
func (p *pixels) takeViews(to []*view) []*view {
	p.mu.Lock()
	defer p.mu.Unlock()
	to = append(to, p.views...)
	clear(p.views)
	p.views = p.views[:0]
	return to
}
