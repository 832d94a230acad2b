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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	if n := len(p.images); n > 0 {
		i := p.images[n-1]
		p.images = p.images[:n-1]
		return i
	}
	frame := astiav.AllocFrame()
	i := &Image{frame: frame, c: frameOf(frame), pool: p}
	i.closed.Store(true)
	return i
}

// put empties the image and keeps it.
func (p *pool) put(i *Image) {
	i.frame.Unref()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	p.images = append(p.images, i)
	p.free()
}

// close frees what lies in the pool, and whatever comes back later.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.free()
}

func (p *pool) free() {
	if !p.closed {
		return
	}
	for _, i := range p.images {
		i.frame.Free()
	}
	p.images = nil
	if p.used > 0 {
		return
	}
	for _, s := range p.scalers {
		C.rp_scaler_close(s.c)
	}
	p.scalers = nil
}

// scaler is an opened conversion, which one goroutine uses at a time.
type scaler struct {
	conversion C.rp_conversion
	c          *C.rp_scaler
}

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
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.scalers) == maxScalers {
		C.rp_scaler_close(p.scalers[0].c)
		p.scalers = slices.Delete(p.scalers, 0, 1)
	}
	p.scalers = append(p.scalers, s)
}
