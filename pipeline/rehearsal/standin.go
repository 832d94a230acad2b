package rehearsal

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// stage is a stage in a test: its own or what stands in for it, with a duration
// on the virtual clock.
type stage struct {
	real    pipeline.Stage // nil where results stand in for it
	results []result
	takes   time.Duration
	fails   []count
}

var (
	_ pipeline.Stage       = (*stage)(nil)
	_ pipeline.Configurer  = (*stage)(nil)
	_ pipeline.Resetter    = (*stage)(nil)
	_ pipeline.SessionUser = (*stage)(nil)
	_ io.Closer            = (*stage)(nil)
)

var errScripted = errors.New("fails as the test says")

// Process calls the stage, and lasts as long as the test says, as work does that
// cannot be interrupted.
func (s *stage) Process(ctx context.Context, f *pipeline.Frame) error {
	err := s.work(ctx, f)
	takes := s.takes
	if ctx.Err() != nil {
		takes = max(takes, turn) // who heeds a deadline is late all the same
	}
	wait(context.WithoutCancel(ctx), takes)
	return err
}

func (s *stage) work(ctx context.Context, f *pipeline.Frame) error {
	for _, c := range s.fails {
		if c.holds(f.Seq) {
			return errScripted
		}
	}
	if s.real != nil {
		return s.real.Process(ctx, f)
	}
	var now []annotation
	for _, r := range s.results {
		if r.from <= f.PTS {
			now = r.values
		}
	}
	for _, a := range now {
		pipeline.SetAny(f, a.kind, a.value)
	}
	return nil
}

// Configure tells the stage.
func (s *stage) Configure(in pipeline.Format) error {
	if c, ok := s.real.(pipeline.Configurer); ok {
		return c.Configure(in)
	}
	return nil
}

// Reset tells the stage.
func (s *stage) Reset(why pipeline.Reason) {
	if r, ok := s.real.(pipeline.Resetter); ok {
		r.Reset(why)
	}
}

// SessionReady tells the stage.
func (s *stage) SessionReady(ctx context.Context) error {
	if u, ok := s.real.(pipeline.SessionUser); ok {
		return u.SessionReady(ctx)
	}
	return nil
}

// Close closes the stage.
func (s *stage) Close() error {
	if c, ok := s.real.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// taken is a sink that stands in for one which has nothing to do with a session:
// a test writes no files and sends nothing. What reaches it the graph tells.
type taken struct{}

var _ pipeline.Sink = taken{}

func (taken) Write(context.Context, *pipeline.Frame) error { return nil }

func (taken) Close() error { return nil }
