package graph

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// instance is one stage value and the call that may be under way in it.
type instance struct {
	*hooks
	stage pipeline.Stage
	owner *stage
	since atomic.Int64 // when the call under way began, plus one; or one of the below

	mu      sync.Mutex // held while a call is taken over; guards what follows
	ctx     *callContext
	standIn *pipeline.Frame // made before each call
	job     *job            // that the call belongs to, in a pool
}

// What since says besides a time.
const (
	idle = 0
	gone = -1 // the call outlasted its deadline and has not returned
)

func newInstance(owner *stage, s pipeline.Stage) *instance {
	return &instance{hooks: newHooks(s, owner.spec.Load().Type.Type), stage: s, owner: owner, standIn: new(pipeline.Frame)}
}

// busy says that a call is under way.
func (i *instance) busy() bool { return i.since.Load() != idle }

// hangs says that an earlier call has not returned.
func (i *instance) hangs() bool { return i.since.Load() == gone }

// attempt lends f to the stage. It is false if the call outlasted its deadline:
// then another frame has gone on in f's place, and f is given up.
func (i *instance) attempt(f *pipeline.Frame, now time.Duration) (err error, mine bool) {
	f.Lend(i.owner.name)
	f.StandIn(i.standIn)
	f.Count(&i.owner.counts.kept)
	i.owner.lend(f)
	call := int64(now) + 1
	i.since.Store(call)
	err = i.call(f)
	if i.since.CompareAndSwap(call, idle) {
		f.Count(nil)
		i.owner.takeBack(f)
		f.Seq, f.PTS = i.standIn.Seq, i.standIn.PTS // nobody changes the order
		return err, true
	}
	i.back(f, now)
	return nil, false
}

// call runs the stage on f, panics caught.
func (i *instance) call(f *pipeline.Frame) (err error) {
	i.begin()
	defer i.end()
	defer recovered(&err)
	if err := i.prepare(f); err != nil {
		return err
	}
	return i.stage.Process(i.ctx, f)
}

// back makes the instance ready for calls again after one that was taken over.
func (i *instance) back(f *pipeline.Frame, begun time.Duration) {
	i.owner.takeBack(f)
	if err := f.Drop(tooLong.String()); err != nil {
		i.owner.faults.report("pixels not released", err)
	}
	i.owner.log.Info("call returned", "took", i.owner.graph.now()-begun)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.standIn = new(pipeline.Frame)
	i.ctx = newCallContext(i.ctx.working, i)
	i.since.Store(idle)
}

// expire takes over the call under way if it has lasted as long as it may. It
// returns when to look again.
func (i *instance) expire(now, deadline time.Duration) (next time.Duration) {
	call := i.since.Load()
	if call <= idle {
		return now + deadline
	}
	begun := time.Duration(call - 1)
	if now-begun < deadline {
		return begun + deadline
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.since.CompareAndSwap(call, gone) {
		i.ctx.expire()
		i.owner.outlasted(i, i.standIn, now-begun)
	}
	return now + deadline
}

// cancel ends the context of the call under way.
func (i *instance) cancel() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ctx.cancel(nil)
}

// close ends the stage.
func (i *instance) close() (err error) {
	c, ok := i.stage.(io.Closer)
	if !ok {
		return nil
	}
	defer recovered(&err)
	return c.Close()
}

// callContext is the context of an instance's calls: it ends with the run, and
// with the deadline of the call under way. It is made anew only after one that
// did end so; a call costs no allocation.
type callContext struct {
	context.Context
	working  context.Context
	cancel   context.CancelCauseFunc
	instance *instance
}

func newCallContext(working context.Context, i *instance) *callContext {
	c := &callContext{working: working, instance: i}
	c.Context, c.cancel = context.WithCancelCause(working)
	return c
}

func (c *callContext) expire() { c.cancel(context.DeadlineExceeded) }

// Deadline returns when the call under way is given up.
func (c *callContext) Deadline() (time.Time, bool) {
	owner := c.instance.owner
	call, deadline := c.instance.since.Load(), owner.spec.Load().Deadline
	if deadline <= 0 || call <= idle {
		return c.Context.Deadline()
	}
	return owner.graph.began.Add(time.Duration(call-1) + deadline), true
}

// Err says which of the two ended it.
func (c *callContext) Err() error {
	if err := context.Cause(c.Context); errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}
