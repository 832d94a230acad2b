package graph

import (
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// line calls the stage in the goroutine that moves the frames.
type line struct{ *stage }

func (l *line) start() { l.running.Go(l.run) }

func (l *line) run() {
	for {
		f, now, ok := l.next()
		if !ok {
			l.closeOutputs()
			return
		}
		if !l.step(f, now) {
			return
		}
	}
}

// step moves one frame. It is false when the call outlasted its deadline and
// another goroutine moves the frames since then.
func (l *line) step(f *pipeline.Frame, now time.Duration) bool {
	l.note(f)
	switch l.judge(f) {
	case work:
		return l.work(f, now)
	case carry:
		l.held.lay(f)
	}
	l.send(f, now)
	return true
}

func (l *line) work(f *pipeline.Frame, now time.Duration) bool {
	i := l.instances[0]
	if i.hangs() {
		l.counts.skipped[bypassed].Add(1)
		l.send(f, now)
		return true
	}
	err, mine := i.attempt(f, now)
	if !mine {
		return false
	}
	l.settle(f, err)
	if l.held != nil {
		l.hold(f, err)
	}
	end := l.graph.now()
	l.worked(f, now, end, err)
	l.send(f, end)
	return true
}

// hold keeps what a call brought. A frame that the call failed on carries the
// last result, as one that was not due does.
func (l *line) hold(f *pipeline.Frame, err error) {
	switch {
	case err == nil:
		l.held.keep(f.Results(l.name), false)
	case f.Dropped() == "":
		l.held.lay(f)
	}
}

func (l *line) outlasted(_ *instance, standIn *pipeline.Frame) {
	l.send(standIn, l.graph.now())
	l.running.Go(l.run)
}
