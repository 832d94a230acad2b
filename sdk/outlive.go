package sdk

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// What becomes of a request that must not be forgotten: either it may reach the
// server or its caller goes first.
const (
	undecided = iota
	hasLeft
	givenUp
)

// outlive returns a context for making a session. Where ctx ends before the
// request has left, which asks leave for it, nothing is sent; where it ends later,
// the context lasts a little longer, so that what was made can be ended.
func outlive(ctx context.Context, grace time.Duration) (longer context.Context, leave func() error, cancel context.CancelFunc) {
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	var state atomic.Int32
	leave = func() error {
		if state.CompareAndSwap(undecided, hasLeft) || state.Load() == hasLeft {
			return nil
		}
		<-longer.Done()
		return context.Cause(longer)
	}
	stop := context.AfterFunc(ctx, func() {
		if !state.CompareAndSwap(undecided, givenUp) {
			t := time.NewTimer(grace)
			defer t.Stop()
			select {
			case <-t.C:
			case <-longer.Done():
			}
		}
		end(context.Cause(ctx))
	})
	return longer, leave, func() {
		stop()
		end(nil)
	}
}

// departing is the body of a request that asks for leave as it is read, which is
// before anything of it is flushed. Without its body no server takes it.
type departing struct {
	body  io.Reader
	leave func() error
}

// Read implements io.Reader.
func (d departing) Read(p []byte) (int, error) {
	if err := d.leave(); err != nil {
		return 0, err
	}
	return d.body.Read(p)
}

// askLeave has a request with a body ask before it leaves.
func askLeave(req *http.Request, body []byte, leave func() error) {
	req.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(departing{bytes.NewReader(body), leave}), nil
	}
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(body))
}
