package rehearsal

import (
	"context"
	"errors"
	"io"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// outdoors calls functions where time is real, for who is where it is virtual and
// stands still meanwhile. Its channels are of the outside: those of a bubble are
// closed to others.
type outdoors struct {
	calls   chan func()
	tickets chan chan struct{} // each closed by the end of a call
	closed  chan struct{}
}

// goOutdoors is called where time is real.
func goOutdoors() *outdoors {
	o := &outdoors{calls: make(chan func()), tickets: make(chan chan struct{}), closed: make(chan struct{})}
	go o.serve()
	return o
}

func (o *outdoors) serve() {
	ticket := make(chan struct{})
	for {
		select {
		case o.tickets <- ticket:
			ticket = make(chan struct{})
		case f := <-o.calls:
			go f()
		case <-o.closed:
			return
		}
	}
}

func (o *outdoors) close() { close(o.closed) }

// do calls f, and waits. A panic of f's is one of do's.
func (o *outdoors) do(f func()) {
	var panicked any
	over := <-o.tickets
	o.calls <- func() {
		defer close(over)
		defer func() { panicked = recover() }()
		f()
	}
	<-over
	if panicked != nil {
		panic(panicked)
	}
}

// outsider is a stage that works where time is real: it has a program, or a
// connection, that somebody waits for all the time. No deadline ends its calls.
type outsider struct {
	stage pipeline.Stage
	*outdoors
}

var (
	_ pipeline.Stage      = (*outsider)(nil)
	_ pipeline.Configurer = (*outsider)(nil)
	_ pipeline.Resetter   = (*outsider)(nil)
	_ io.Closer           = (*outsider)(nil)
)

// newOutsider makes the stage outside. The session is not there.
func (o *outdoors) newOutsider(build func() (pipeline.Stage, error)) (_ pipeline.Stage, err error) {
	var s pipeline.Stage
	o.do(func() { s, err = build() })
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, errors.New("there is no stage")
	}
	return &outsider{s, o}, nil
}

// Process calls the stage. What it does after that is not waited for.
func (s *outsider) Process(_ context.Context, f *pipeline.Frame) (err error) {
	s.do(func() { err = s.stage.Process(context.Background(), f) })
	return err
}

// Configure tells the stage.
func (s *outsider) Configure(in pipeline.Format) (err error) {
	if c, ok := s.stage.(pipeline.Configurer); ok {
		s.do(func() { err = c.Configure(in) })
	}
	return err
}

// Reset tells the stage.
func (s *outsider) Reset(why pipeline.Reason) {
	if r, ok := s.stage.(pipeline.Resetter); ok {
		s.do(func() { r.Reset(why) })
	}
}

// Close closes the stage.
func (s *outsider) Close() (err error) {
	if c, ok := s.stage.(io.Closer); ok {
		s.do(func() { err = c.Close() })
	}
	return err
}
