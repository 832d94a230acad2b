package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// supervisor runs pipelines side by side, each on its own, and starts, stops
// and changes single ones while it does.
type supervisor struct {
	pipelines []*supervised // in the order of the command line
	manager   *serviceManager
	over      chan struct{} // closed when nothing starts any more

	mu   sync.Mutex // guards what follows, and the pipelines' own
	busy int        // pipelines that live, or that wait to be started by hand
	last bool       // over is closed
}

// supervised is one pipeline, through its lives.
type supervised struct {
	name   string
	file   string                                  // that it came from
	parse  func(text []byte) (*config.Spec, error) // of the file or in its place; an empty text is the file's own
	create func(*config.Spec) *line                // a life
	starts chan struct{}                           // one that is to come
	turn   chan struct{}                           // taken by who changes it

	// The supervisor's lock guards what follows.
	spec *config.Spec
	line *line         // the present life, or the last one
	done chan struct{} // closed at the end of the present life; nil without one
	stop func()        // ends the present life, once that has begun
	held bool          // it was stopped by hand
}

func newSupervised(spec *config.Spec, parse func([]byte) (*config.Spec, error), create func(*config.Spec) *line) *supervised {
	return &supervised{
		name: spec.Name, file: spec.Path, parse: parse, create: create,
		starts: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		spec: spec, line: create(spec), done: make(chan struct{}),
	}
}

func newSupervisor(pipelines []*supervised, manager *serviceManager) *supervisor {
	return &supervisor{pipelines: pipelines, manager: manager, over: make(chan struct{}), busy: len(pipelines)}
}

// conflictError is a wish that does not fit the state that a pipeline is in.
type conflictError struct{ error }

func (e *conflictError) Unwrap() error { return e.error }

func conflict(format string, args ...any) error { return &conflictError{fmt.Errorf(format, args...)} }

// run runs all pipelines until ctx ends, or none is left that lives or was
// stopped by hand. One that fails leaves the others alone, and with others
// beside it says so when it does. The errors are those of the last life of each.
func (s *supervisor) run(ctx context.Context) []error {
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	errs := make([]error, len(s.pipelines))
	var wg sync.WaitGroup
	for i, p := range s.pipelines {
		wg.Go(func() { errs[i] = s.keep(ctx, p) })
	}
	wg.Wait()
	return alike(errs)
}

// close lets nothing start any more.
func (s *supervisor) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// end is close, with the lock held.
func (s *supervisor) end() {
	if !s.last {
		s.last = true
		close(s.over)
	}
}

// keep runs a pipeline, and again whenever it is started again.
func (s *supervisor) keep(ctx context.Context, p *supervised) error {
	for {
		l, err := s.live(ctx, p)
		if err != nil && len(s.pipelines) > 1 {
			l.log.Error("pipeline failed", "err", oneLine(err))
			err = &saidError{err, p.name}
		}
		s.rest(p)
		select {
		case <-s.over:
			return err
		case <-p.starts:
		}
	}
}

// live is one life of a pipeline.
func (s *supervisor) live(ctx context.Context, p *supervised) (*line, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.mu.Lock()
	l := p.line
	p.stop = stop
	if p.held { // stopped before it began
		stop()
	}
	s.mu.Unlock()
	err := l.run(ctx)
	return l, err
}

// rest ends a life. Nothing starts any more if it was the last one.
func (s *supervisor) rest(p *supervised) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(p.done)
	p.done, p.stop = nil, nil
	if p.held {
		return
	}
	s.busy--
	if s.busy == 0 {
		s.end()
	}
}

// find returns the pipeline of a name.
func (s *supervisor) find(name string) (*supervised, bool) {
	i := slices.IndexFunc(s.pipelines, func(p *supervised) bool { return p.name == name })
	if i < 0 {
		return nil, false
	}
	return s.pipelines[i], true
}

func (s *supervisor) names() []string {
	var names []string
	for _, p := range s.pipelines {
		names = append(names, p.name)
	}
	return names
}

// life returns the present life of a pipeline, or the last one, and what there
// is to say of it.
func (s *supervisor) life(p *supervised) (*line, state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p.done != nil:
		return p.line, living
	case p.held:
		return p.line, halted
	}
	return p.line, over
}

// state is whether a pipeline lives, and if not whose will that is.
type state uint8

const (
	living state = iota
	over         // by itself, or with the process
	halted       // by hand
)

// lines returns the present or last life of each pipeline.
func (s *supervisor) lines() []*line {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := make([]*line, len(s.pipelines))
	for i, p := range s.pipelines {
		lines[i] = p.line
	}
	return lines
}

// start gives a pipeline that has ended, failed or was stopped another life.
func (s *supervisor) start(p *supervised) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.last:
		return conflict("the process is ending")
	case p.done != nil:
		return conflict("pipeline %q runs already", p.name)
	case !p.held:
		s.busy++
	}
	p.held, p.done, p.line = false, make(chan struct{}), p.create(p.spec)
	p.starts <- struct{}{}
	return nil
}

// halt stops a pipeline by hand and waits until what was in flight has reached
// the sinks and sessions have ended. The process waits for it to be started again.
func (s *supervisor) halt(ctx context.Context, p *supervised) error {
	done, err := s.hold(p)
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *supervisor) hold(p *supervised) (done <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.done == nil {
		return nil, conflict("pipeline %q does not run", p.name)
	}
	p.held = true
	if p.stop != nil {
		p.stop()
	}
	return p.done, nil
}

// reload changes a pipeline to what text says in the place of its file, or to
// what its file says now if text is empty. A text with mistakes changes nothing;
// the error tells all of them. A pipeline that does not live is changed for its
// next life.
func (s *supervisor) reload(ctx context.Context, p *supervised, text []byte) (did graph.Changes, err error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return graph.Changes{}, ctx.Err()
	}
	defer s.manager.change()()
	l, _ := s.life(p)
	defer func() { l.metrics.reloaded(p.name, err) }()
	spec, err := p.parse(text)
	if err != nil {
		return graph.Changes{}, err
	}
	if spec.Name != p.name {
		return graph.Changes{}, &configError{fmt.Errorf("%s: name: must stay %s while the process lives, got %s", p.file, p.name, spec.Name)}
	}
	s.mu.Lock()
	l, before, lives := p.line, p.spec, p.done != nil
	if !lives {
		p.spec = spec
	}
	s.mu.Unlock()
	if !lives {
		return graph.Changes{}, nil
	}
	if err := graph.Compatible(before, spec); err != nil {
		return graph.Changes{}, &conflictError{err}
	}
	did, err = l.reload(ctx, spec)
	switch {
	case errors.Is(err, graph.ErrOver):
		return graph.Changes{}, conflict("pipeline %q has ended", p.name)
	case err != nil:
		return graph.Changes{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.spec = spec
	return did, nil
}
