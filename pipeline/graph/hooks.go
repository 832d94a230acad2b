package graph

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// hooks are the optional interfaces of a stage or sink.
type hooks struct {
	configurer pipeline.Configurer
	resetter   pipeline.Resetter
	user       pipeline.SessionUser
	// reconfigure is nil for a part whose settings stay as they are.
	reconfigure func(cfg any) error

	settings   atomic.Pointer[any] // that the part is to have from the next frame on
	breaks     breaks
	configured pipeline.Format
	// turn is held during a call of a node that uses a session: SessionReady
	// comes between two frames. It is nil for other nodes.
	turn chan struct{}
}

func newHooks(part any, kind pipeline.Type) *hooks {
	h := new(hooks)
	h.configurer, _ = part.(pipeline.Configurer)
	h.resetter, _ = part.(pipeline.Resetter)
	if h.user, _ = part.(pipeline.SessionUser); h.user != nil {
		h.turn = make(chan struct{}, 1)
	}
	if kind.Reconfigurer != nil {
		h.reconfigure = kind.Reconfigurer(part)
	}
	return h
}

// prepare tells the part what changes with f.
func (h *hooks) prepare(f *pipeline.Frame) error {
	if h.settings.Load() != nil {
		if err := h.reconfigure(*h.settings.Swap(nil)); err != nil {
			return fmt.Errorf("reconfigure: %w", err)
		}
	}
	if why := h.breaks.take(); why != "" && h.resetter != nil {
		h.resetter.Reset(why)
	}
	img := f.Image()
	if h.configurer == nil || img == nil || img.Format() == h.configured {
		return nil
	}
	format := img.Format()
	if err := h.configurer.Configure(format); err != nil {
		h.configured = pipeline.Format{}
		return fmt.Errorf("configure for %s: %w", format, err)
	}
	h.configured = format
	return nil
}

func (h *hooks) begin() {
	if h.turn != nil {
		h.turn <- struct{}{}
	}
}

func (h *hooks) end() {
	if h.turn != nil {
		<-h.turn
	}
}

// sessionReady calls the part between two frames.
func (h *hooks) sessionReady(ctx context.Context) error {
	if h.user == nil {
		return nil
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer h.end()
	return ask(ctx, h.user)
}

// ask has a node compare itself with its session.
func ask(ctx context.Context, u pipeline.SessionUser) (err error) {
	defer recovered(&err)
	return u.SessionReady(ctx)
}

// panicError is a panic of a stage or sink.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recovered makes a panic an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = &panicError{value: r, stack: debug.Stack()}
	}
}
