package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// maxBackoff is the longest wait before another start, and how long a program
// has to last for the wait to be the shortest again.
const maxBackoff = 30 * time.Second

var (
	errSaved  = errors.New("its files were saved")
	errClosed = errors.New("the stage was closed")
)

// supervisor sees to it that the program runs.
type supervisor struct {
	env      pipeline.Env
	cfg      Config
	launch   *launch
	memory   *memory // nil without pixels
	log      *output
	restarts func(float64)
	nonsense *bounded
	ordered  func(order)
	saved    chan struct{} // holds a token when a file was saved

	cancel   context.CancelFunc
	finished chan struct{}

	mu    sync.Mutex    // guards what follows
	now   *program      // ready for frames; nil if there is none
	why   error         // there is none
	up    chan struct{} // closed once the first start has come to its end
	fatal bool          // there will be none
}

// begin starts to keep the program running.
func (s *supervisor) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.finished, s.up = cancel, make(chan struct{}), make(chan struct{})
	go s.run(ctx)
}

// close ends the program and waits for its end.
func (s *supervisor) close() {
	s.cancel()
	<-s.finished
}

func (s *supervisor) run(ctx context.Context) {
	defer close(s.finished)
	// A program dies with the thread that started it (PDEATHSIG, prctl(2)):
	// this one lasts until all of them have ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wait := s.cfg.Backoff.Std()
	for {
		begun := s.env.Clock.Now()
		err := s.live(ctx)
		s.set(nil, err)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errSaved):
			s.env.Log.Info("program starts again", "why", err)
			wait = s.cfg.Backoff.Std()
			continue
		case s.cfg.Restart == restartNever:
			s.giveUp()
			<-ctx.Done()
			return
		}
		if s.env.Clock.Now().Sub(begun) >= maxBackoff {
			wait = s.cfg.Backoff.Std()
		}
		s.env.Log.Warn("program ended", "err", err, "again_in", wait)
		s.restarts(1)
		select {
		case <-s.env.Clock.After(wait):
		case <-s.saved:
		case <-ctx.Done():
			return
		}
		wait = max(s.cfg.Backoff.Std(), min(2*wait, maxBackoff))
	}
}

// live is one program's life. It returns how that ended.
func (s *supervisor) live(ctx context.Context) error {
	p, err := s.start()
	if err != nil {
		return err
	}
	begun := s.env.Clock.Now()
	if err := s.greet(p); err != nil {
		p.condemn(err)
	}
	late := s.env.Clock.After(s.cfg.StartTimeout.Std())
	ready := p.ready
	for {
		select {
		case <-ready:
			s.env.Log.Info("program is ready", "pid", p.cmd.Process.Pid, "took", s.env.Clock.Now().Sub(begun))
			s.set(p, nil)
			ready, late = nil, nil
		case <-late:
			p.condemn(fmt.Errorf("it was not ready within %s", s.cfg.StartTimeout))
		case <-p.condemned:
			s.set(nil, p.reason())
			p.kill()
			return p.reason()
		case <-p.exited:
			return p.reason()
		case <-s.saved:
			s.set(nil, errSaved)
			p.end()
			return errSaved
		case <-ctx.Done():
			p.end()
			return errClosed
		}
	}
}

func (s *supervisor) greet(p *program) error {
	h := hello{
		Type: "hello", Version: protocolVersion, Stage: s.env.Name, Pixels: s.cfg.Order, Writes: s.cfg.Writes,
		Sets: kindNames(s.cfg.Sets()), Commands: append([]string{}, s.cfg.Commands...),
	}
	if s.memory != nil {
		h.Memory = memorySize
	}
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return p.send(line, s.cfg.StartTimeout.Std())
}

// set says which program is ready, or why none is.
func (s *supervisor) set(p *program, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.why = p, why
	select {
	case <-s.up:
	default:
		close(s.up)
	}
}

func (s *supervisor) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fatal = true
}

// program returns the one that is ready. Only for the first start it waits.
func (s *supervisor) program(ctx context.Context) (*program, error) {
	select {
	case <-s.up:
	case <-ctx.Done():
		return nil, fmt.Errorf("the program is starting: %w", context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.now != nil:
		return s.now, nil
	case s.fatal:
		return nil, fmt.Errorf("the program is gone: %w: %w", s.why, pipeline.ErrFatal)
	default:
		return nil, fmt.Errorf("the program is not there: %w", s.why)
	}
}

// refuse tells of a line that makes no sense.
func (s *supervisor) refuse(err error) { s.nonsense.warn("program makes no sense", "err", err) }
