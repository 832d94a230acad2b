package ffmpeg

/*
#include "native.h"
*/
import "C"

import (
	"slices"
	"sync"

	"github.com/asticode/go-astiav"
)

// pool keeps a decoder's empty images and idle scalers. It outlives the decoder
// as long as there are images.
type pool struct {
	mu      sync.Mutex // guards what follows
	closed  bool
	used    int // images that are not in the pool
	images  []*Image
	scalers []*scaler
}

// maxScalers bounds what a pool keeps: the conversions that one stream's
// consumers ask for, a few at once.
const maxScalers = 8

// get returns an image with an empty frame.
func (p *pool) get() *Image {
	if i := p.takeImage(); i != nil {
		return i
	}
	frame := astiav.AllocFrame()
	i := &Image{frame: frame, c: frameOf(frame), pool: p}
	i.closed.Store(true)
	return i
}

func (p *pool) takeImage() *Image {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	if len(p.images) == 0 {
		return nil
	}
	last := len(p.images) - 1
	i := p.images[last]
	p.images = p.images[:last]
	return i
}

// put empties the image and keeps it.
func (p *pool) put(i *Image) {
	i.frame.Unref()
	p.mu.Lock()
	p.used--
	p.images = append(p.images, i)
	images, scalers := p.useless()
	p.mu.Unlock()
	free(images, scalers)
}

// close frees what lies in the pool, and whatever comes back later.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	images, scalers := p.useless()
	p.mu.Unlock()
	free(images, scalers)
}

// useless takes out of a closed pool what nobody will ask for any more. A
// scaler may still be in use as long as an image is. p.mu is held.
func (p *pool) useless() ([]*Image, []*scaler) {
	if !p.closed {
		return nil, nil
	}
	images := p.images
	p.images = nil
	if p.used > 0 {
		return images, nil
	}
	scalers := p.scalers
	p.scalers = nil
	return images, scalers
}

func free(images []*Image, scalers []*scaler) {
	for _, i := range images {
		i.frame.Free()
	}
	for _, s := range scalers {
		s.close()
	}
}

// scaler is an opened conversion, which one goroutine uses at a time.
type scaler struct {
	conversion C.rp_conversion
	c          *C.rp_scaler
}

func (s *scaler) close() { C.rp_scaler_close(s.c) }

// takeScaler returns an idle scaler for c, or a new one; nil where swscale knows
// no way.
func (p *pool) takeScaler(c C.rp_conversion) *scaler {
	if s := p.idleScaler(c); s != nil {
		return s
	}
	s := &scaler{conversion: c, c: C.rp_scaler_open(c)}
	if s.c == nil {
		return nil
	}
	return s
}

func (p *pool) idleScaler(c C.rp_conversion) *scaler {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.scalers {
		if s.conversion == c {
			p.scalers = slices.Delete(p.scalers, i, i+1)
			return s
		}
	}
	return nil
}

// putScaler keeps s, and of more than maxScalers the last used.
func (p *pool) putScaler(s *scaler) {
	if old := p.keepScaler(s); old != nil {
		old.close()
	}
}

// keepScaler returns the scaler that has to make room, if one has.
func (p *pool) keepScaler(s *scaler) (old *scaler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.scalers) == maxScalers {
		old = p.scalers[0]
		p.scalers = slices.Delete(p.scalers, 0, 1)
	}
	p.scalers = append(p.scalers, s)
	return old
}
