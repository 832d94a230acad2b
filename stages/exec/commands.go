package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// mostWaiting is how many commands wait while one is under way.
	mostWaiting = 16
	// replyTimeout is how long a reply is waited for.
	replyTimeout = 10 * time.Second
	// closeGrace is how long Close lets commands come to their end.
	closeGrace = 2 * time.Second
)

var errEnded = errors.New("the pipeline ended")

// commands sends what the program orders, one after the other.
type commands struct {
	env     pipeline.Env
	allowed []string
	trouble *bounded
	waiting chan pending
	cancel  context.CancelCauseFunc
	done    chan struct{}
	once    sync.Once

	mu    sync.Mutex // guards cause
	cause pipeline.Cause
}

// pending is a command that waits.
type pending struct {
	order
	at    time.Time
	cause pipeline.Cause
}

func newCommands(env pipeline.Env, allowed []string) *commands {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &commands{
		env: env, allowed: allowed, cancel: cancel,
		waiting: make(chan pending, mostWaiting), done: make(chan struct{}),
		trouble: &bounded{log: env.Log, clock: env.Clock, count: env.Metrics.Counter("commands_failed_total", "Commands of the program that the model did not take.")},
	}
	go c.run(ctx)
	return c
}

// because notes the frame that the program is given next: what it orders from
// then on, it orders because of that. The JSON of the frame is not made for a
// program that may order nothing.
func (c *commands) because(f *pipeline.Frame, now time.Time) error {
	if c.env.Session == nil {
		return nil
	}
	cause := pipeline.Cause{Node: c.env.Name, Stream: f.Stream, Seq: f.Seq, Trace: f.Trace()}
	if len(c.allowed) > 0 {
		var err error
		if cause.Frame, err = f.JSON(now); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cause = cause
	return nil
}

// put leaves a command to be sent. It never waits.
func (c *commands) put(o order) {
	c.mu.Lock()
	p := pending{o, c.env.Clock.Now(), c.cause.Held()}
	c.mu.Unlock()
	if !slices.Contains(c.allowed, o.Command) {
		c.end(p, fmt.Errorf("commands: %q is not among them", o.Command))
		return
	}
	select {
	case c.waiting <- p:
	default:
		c.end(p, fmt.Errorf("%d commands wait already", mostWaiting))
	}
}

func (c *commands) run(ctx context.Context) {
	defer close(c.done)
	for p := range c.waiting {
		if err := c.send(ctx, p); err != nil {
			c.warn(p, err)
		}
		p.cause.Trace.Release()
	}
}

func (c *commands) send(ctx context.Context, p pending) error {
	ctx, cancel := context.WithTimeoutCause(ctx, replyTimeout, fmt.Errorf("no reply within %s", replyTimeout))
	defer cancel()
	_, err := c.env.Session.Command(pipeline.WithCause(ctx, p.cause), p.Command, p.Data)
	switch {
	case errors.Is(err, pipeline.ErrNotReady):
		c.note(p, err) // which the session does not
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return err
}

// end tells of a command that was never sent.
func (c *commands) end(p pending, why error) {
	c.note(p, why)
	c.warn(p, why)
	p.cause.Trace.Release()
}

// note enters a command in the ledger that the session knows nothing of.
func (c *commands) note(p pending, why error) {
	if noter, ok := c.env.Session.(pipeline.Noter); ok {
		noter.Note(pipeline.CommandRecord{
			Time: p.at, Command: p.Command, Args: p.Data, Cause: p.cause,
			Outcome: pipeline.CommandFailed, Reason: why.Error(),
		})
	}
}

func (c *commands) warn(p pending, why error) {
	c.trouble.warn("command not taken", "command", p.Command, "reason", why, "stream", p.cause.Stream, "seq", p.cause.Seq)
}

// close sends what waits, unless that takes too long. Nothing is put any more.
func (c *commands) close() {
	c.once.Do(func() {
		close(c.waiting)
		select {
		case <-c.done:
		case <-c.env.Clock.After(closeGrace):
		}
		c.cancel(errEnded)
		<-c.done
	})
}
