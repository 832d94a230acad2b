package graph

import (
	"reflect"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// pace lets frames through at a rate, by their PTS. The zero value lets all
// through.
type pace struct {
	period time.Duration
	next   time.Duration
	last   time.Duration // of the frame before, due or not
	begun  bool
}

func newPace(rate float64) pace {
	if rate <= 0 {
		return pace{}
	}
	return pace{period: time.Duration(float64(time.Second) / rate)}
}

// due says whether the frame at pts is one of those wanted: the nearest to each
// point of a grid. Time stamps jitter, and a frame that comes a tick early and
// is not taken would leave a gap of two. The grid stands still, so the rate is
// kept.
func (p *pace) due(pts time.Duration) bool {
	if p.period == 0 {
		return true
	}
	early := min(p.period/4, (pts-p.last)/2)
	p.last = pts
	if p.begun && pts < p.next-early {
		return false
	}
	if !p.begun || pts-p.next >= p.period {
		p.next = pts
	}
	p.begun = true
	p.next += p.period
	return true
}

// condition is a node's `when`.
type condition struct {
	program *expr.Program // nil: always true
}

// eval returns the value of the condition, and false where something that it
// touches is absent, which is counted.
func (c condition) eval(n *node, f *pipeline.Frame) (value any, present bool) {
	value, present, err := c.program.Eval(expr.Input{
		Frame: f, LastMessage: n.graph.lastMessage, Now: n.graph.cfg.Clock.Now(),
	})
	if err != nil {
		n.counts.errors.Add(1)
		n.faults.report("condition failed", err, "when", c.program.String(), "seq", f.Seq)
		n.lost(f, "", err)
		return nil, false
	}
	if !present {
		n.counts.skipped[absent].Add(1)
	}
	return value, present
}

// trigger turns the values of a sink's condition into the frames that it acts
// on. Times are by PTS.
type trigger struct {
	edge pipeline.Edge
	// hold is how long a value must stand before it counts, cooldown the least
	// time between two actions.
	hold, cooldown time.Duration

	begun     bool
	candidate any           // the value that stands
	since     time.Duration // since when
	settled   any           // the last one that counted; for OnChange that was acted on
	acted     bool
	last      time.Duration // when it was acted on
}

// fires says whether to act on the frame at pts. An absent value is false.
func (t *trigger) fires(value any, present bool, pts time.Duration) bool {
	if t.edge == pipeline.OnChange {
		return present && t.stands(value, pts) && t.changes(value, pts)
	}
	truth := present && expr.Truth(value)
	if !t.stands(truth, pts) {
		return false
	}
	was := t.settled == true
	t.settled = truth
	switch t.edge {
	case pipeline.Rise:
		return truth && !was && t.act(pts)
	case pipeline.Fall:
		return !truth && was && t.act(pts)
	default:
		return truth && t.act(pts)
	}
}

// stands says whether value has been the same for as long as it must.
func (t *trigger) stands(value any, pts time.Duration) bool {
	if !t.begun || !same(t.candidate, value) {
		t.begun, t.candidate, t.since = true, value, pts
	}
	return pts-t.since >= t.hold
}

// changes says whether value differs from the one acted on last. A change that
// comes while the node cools down is acted on after that.
func (t *trigger) changes(value any, pts time.Duration) bool {
	if t.acted && same(t.settled, value) || !t.act(pts) {
		return false
	}
	t.settled = value
	return true
}

// act says whether the last action is long enough ago for another.
func (t *trigger) act(pts time.Duration) bool {
	if t.acted && pts-t.last < t.cooldown {
		return false
	}
	t.acted, t.last = true, pts
	return true
}

// same compares values of expressions, mostly booleans.
func same(a, b any) bool {
	x, ok := a.(bool)
	y, ok2 := b.(bool)
	if ok && ok2 {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}
