package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// stage is a stage's node. How its calls relate to the line is its manner's.
type stage struct {
	node
	spec      atomic.Pointer[config.Stage]
	log       *slog.Logger
	when      condition
	pace      pace
	held      *held // nil for a stage that sees every frame in line
	instances []*instance
	manner    manner
	running   sync.WaitGroup // all goroutines of the stage
	dismissed atomic.Bool    // by a reload
}

// manner is one of the ways in which a stage's calls relate to the line.
type manner interface {
	// start begins to move frames, in goroutines that stage.running counts.
	start()
	// outlasted is told that the call of i did not return in time. standIn has
	// been dropped and is the manner's.
	outlasted(i *instance, standIn *pipeline.Frame)
}

func newStage(g *Graph, spec config.Stage) *stage {
	s := &stage{node: newNode(g, pipeline.SpanStage, spec.Name), when: condition{spec.When}, pace: newPace(spec.Rate)}
	s.spec.Store(&spec)
	s.log = s.faults.log
	s.held = newHeld(spec.TTL, s.pace.period, spec.Async)
	return s
}

// add gives the stage one more instance.
func (s *stage) add(part pipeline.Stage) { s.instances = append(s.instances, newInstance(s, part)) }

// choose settles how the stage works, once its instances are known.
func (s *stage) choose() {
	switch {
	case s.spec.Load().Async:
		s.manner = newBeside(s)
	case len(s.instances) > 1:
		s.manner = newPool(s, s.graph.room)
	default:
		s.manner = &line{s}
	}
}

// start begins to move frames. Calls get contexts that end with working.
func (s *stage) start(working context.Context) {
	for _, i := range s.instances {
		i.ctx = newCallContext(working, i)
	}
	s.manner.start()
	go func() {
		defer close(s.done)
		s.running.Wait()
		s.close()
	}()
}

func (s *stage) close() {
	for _, i := range s.instances {
		if i.ctx != nil {
			i.ctx.cancel(nil)
		}
		if err := i.close(); err != nil {
			s.graph.closed(fmt.Errorf("%s: close: %w", s, err))
		}
	}
	if err := s.leaked(); err != nil {
		s.graph.closed(err)
	}
	s.faults.flush()
}

// dismiss ends the call that may be under way beside the line. What it returns is
// of no interest.
func (s *stage) dismiss() {
	s.dismissed.Store(true)
	for _, i := range s.instances {
		i.cancel()
	}
}

// fate is what becomes of a frame at a stage.
type fate uint8

const (
	pass  fate = iota // by untouched
	carry             // by, with the last results on it
	work              // the stage is called
)

// judge decides what becomes of f.
func (s *stage) judge(f *pipeline.Frame) fate {
	if s.held != nil {
		s.held.cut(f)
	}
	switch {
	case f.Dropped() != "" || f.Image() == nil && usesPixels(s.spec.Load().Pixels):
		return pass
	case s.forgone(f), !s.wanted(f):
		return pass
	case !s.pace.due(f.PTS):
		s.counts.skipped[notDue].Add(1)
		return carry
	default:
		return work
	}
}

// forgone drops f if there is no time left to work on it.
func (s *stage) forgone(f *pipeline.Frame) bool {
	why := draining
	switch {
	case s.graph.aborted():
	case s.graph.hurry.Load():
		why = reloading
	default:
		return false
	}
	s.drop(f, why)
	s.lost(f, why.String(), nil)
	return true
}

// note remembers a break until the stage is called next.
func (s *stage) note(f *pipeline.Frame) {
	for _, i := range s.instances {
		i.breaks.add(f.Discontinuity)
	}
}

func (s *stage) wanted(f *pipeline.Frame) bool {
	if s.when.program == nil {
		return true
	}
	value, present := s.when.eval(&s.node, f)
	if !present {
		return false
	}
	if !expr.Truth(value) {
		s.counts.skipped[unwanted].Add(1)
		return false
	}
	return true
}

// What `on_error` says besides the default, which is to drop the frame.
const (
	passOn  = "pass"
	stopRun = "stop"
)

// settle does to f what the outcome of its call asks for.
func (s *stage) settle(f *pipeline.Frame, err error) {
	switch {
	case err == nil:
	case errors.Is(err, pipeline.ErrDrop):
		s.drop(f, byStage)
	default:
		s.failed(f, err)
	}
}

func (s *stage) failed(f *pipeline.Frame, err error) {
	why := s.fault(f, err)
	onError := s.spec.Load().OnError
	fatal := errors.Is(err, pipeline.ErrFatal) || onError == stopRun
	if fatal {
		s.graph.fail(fmt.Errorf("%s: %w", s, err))
	}
	if fatal || onError != passOn {
		s.drop(f, why)
	}
}

// fault counts and logs an error of the node's on f.
func (n *node) fault(f *pipeline.Frame, err error) reason {
	n.counts.errors.Add(1)
	if n.graph.aborted() {
		return draining
	}
	if p, ok := errors.AsType[*panicError](err); ok {
		n.counts.panics.Add(1)
		n.faults.report("panicked", err, "seq", f.Seq, "stack", string(p.stack))
		return panicked
	}
	n.faults.report("failed", err, "seq", f.Seq)
	return failed
}

// errTooLong is what is wrong with a call that its deadline has passed.
var errTooLong = errors.New("the call outlasted its deadline")

// outlasted lets another frame go on in place of one that hangs in i.
func (s *stage) outlasted(i *instance, standIn *pipeline.Frame, after time.Duration) {
	s.counts.errors.Add(1)
	s.log.Warn("call hangs, frames pass the stage by", "seq", standIn.Seq, "after", after)
	s.drop(standIn, tooLong)
	now := s.graph.now()
	s.worked(standIn, now-after, now, errTooLong)
	s.manner.outlasted(i, standIn)
}
