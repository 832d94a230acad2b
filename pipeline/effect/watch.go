// Package effect finds the first frame in which a command's effect is visible: by
// a change from one frame to the next that is larger, and stays longer, than the
// stream's own changes before the command explain.
//
// It looks at thumbnails of the luma. A change that comes slowly, over more than a few
// frames, is found where nothing else happens; where something does, it is not, and
// neither is one of less than a hundredth of the picture.
package effect

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// falseAlarms is the share of commands without effect that may be taken for
	// ones with.
	falseAlarms = 0.01
	// confirming is how many frames after the first the change has to last.
	confirming = 2
	// lasting is the part of a change that has to be left then, as a logarithm.
	lasting = 0.7
	// mostWaiting bounds the commands that are watched for at a time.
	mostWaiting = 64
)

// Watch measures the commands of one session. It is safe for concurrent use.
type Watch struct {
	within time.Duration
	used   atomic.Bool // a command was sent

	mu      sync.Mutex // guards what follows
	streams map[string]*stream
	waiting []*Command // in the order of sending
	tally   tally
}

// New returns a watch that looks for the effect of a command for so long. For no
// time at all it is nil, which looks for nothing.
func New(within time.Duration) *Watch {
	if within <= 0 {
		return nil
	}
	return &Watch{within: within, streams: make(map[string]*stream)}
}

// Command is one whose effect is looked for.
type Command struct {
	watch  *Watch
	name   string
	sent   time.Time
	expect map[*stream]expectation // where there is one
	found  *candidate              // a change that has still to last

	taken  bool // by the model
	report func(pipeline.Effect)
	effect *pipeline.Effect // nil before it is known
}

// candidate is a change that may be the effect.
type candidate struct {
	in        *stream
	effect    pipeline.Effect
	before    thumb // the picture that it changed
	change    change
	measure   int // in which it is the most evident
	confirmed int // frames that were looked at since
	lasted    bool
	followed  []moment // by these; the stream does them by itself if it does not last
}

// Sent says that a command is being sent. One of Taken and Forget follows.
func (w *Watch) Sent(name string, now time.Time) *Command {
	if w == nil {
		return nil
	}
	w.used.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &Command{watch: w, name: name, sent: now, expect: make(map[*stream]expectation)}
	for _, s := range w.streams {
		if e, ok := s.expect(); ok && now.Sub(s.last) < longGap {
			c.expect[s] = e
		}
	}
	if len(c.expect) == 0 || len(w.waiting) >= mostWaiting {
		c.effect = &pipeline.Effect{Seen: pipeline.EffectUnknown}
		return c
	}
	w.waiting = append(w.waiting, c)
	return c
}

// Taken says that the model took the command. report is called with its effect,
// once that is known: at once or by who calls Look or Close.
func (c *Command) Taken(report func(pipeline.Effect)) {
	if c == nil {
		return
	}
	c.watch.mu.Lock()
	c.taken, c.report = true, report
	tell := c.settle()
	c.watch.mu.Unlock()
	tell()
}

// Forget says that the model did not take it.
func (c *Command) Forget() {
	if c == nil {
		return
	}
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.watch.drop(c)
}

func (w *Watch) drop(c *Command) {
	w.waiting = slices.DeleteFunc(w.waiting, func(other *Command) bool { return other == c })
}

// settle counts a command of which all is known, and returns what tells of it. The
// watch is locked.
func (c *Command) settle() (tell func()) {
	if !c.taken || c.effect == nil {
		return func() {}
	}
	c.taken = false // once
	c.watch.tally.add(c.name, *c.effect)
	return func() { c.report(*c.effect) }
}

// end gives a command its effect.
func (w *Watch) end(c *Command, e pipeline.Effect) (tell func()) {
	w.drop(c)
	c.effect = &e
	return c.settle()
}

// Look looks at a frame of a source, which is lent. Those of one source are looked
// at one after the other.
func (w *Watch) Look(f *pipeline.Frame) {
	img := f.Image()
	if w == nil || img == nil || f.Arrival.IsZero() {
		return
	}
	if !hasLuma(img.Format().Layout) && !w.used.Load() {
		return // a conversion is for who sends commands
	}
	s := w.stream(f)
	if !s.next.take(img, &s.scratch) {
		return
	}
	var tells []func()
	w.mu.Lock()
	defer func() {
		w.mu.Unlock()
		for _, tell := range tells {
			tell()
		}
	}()
	tells = w.overdue(f.Arrival)
	if format := img.Format(); f.Discontinuity != "" || format.Width != s.width || format.Height != s.height {
		s.width, s.height = format.Width, format.Height
		s.forget()
		tells = append(tells, w.lose(s)...)
	}
	if !s.last.IsZero() {
		tells = append(tells, w.judge(s, f)...)
	}
	s.learn(f.Arrival)
}

func (w *Watch) stream(f *pipeline.Frame) *stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.streams[f.Stream]
	if s == nil {
		s = new(stream)
		w.streams[f.Stream] = s
	}
	return s
}

// overdue ends the commands that have waited long enough.
func (w *Watch) overdue(now time.Time) (tells []func()) {
	for _, c := range slices.Clone(w.waiting) {
		if now.Sub(c.sent) > w.within && c.found == nil {
			tells = append(tells, w.end(c, pipeline.Effect{Seen: pipeline.EffectNotSeen}))
		}
	}
	return tells
}

// lose says that a stream is not what it was before the commands that wait.
func (w *Watch) lose(s *stream) (tells []func()) {
	for _, c := range slices.Clone(w.waiting) {
		if c.found != nil && c.found.in == s {
			c.found = nil
		}
		if delete(c.expect, s); len(c.expect) == 0 {
			tells = append(tells, w.end(c, pipeline.Effect{Seen: pipeline.EffectUnknown}))
		}
	}
	return tells
}

// judge looks for effects in the change to the next picture.
func (w *Watch) judge(s *stream, f *pipeline.Frame) (tells []func()) {
	change := s.change(&s.previous)
	if f.Arrival.Sub(s.last) > longGap {
		return nil // more than one frame's worth of change
	}
	tells = w.confirm(s)
	now := moment{change, f.Arrival}
	if found := w.busy(s); found != nil {
		found.followed = append(found.followed, now)
		return tells
	}
	for i, c := range w.waiting {
		e, ok := c.expect[s]
		if !ok || c.found != nil || !f.Arrival.After(c.sent) {
			continue
		}
		chance, measure := e.chance(change, float64(w.within)/float64(e.interval))
		if chance > falseAlarms {
			continue
		}
		c.found = &candidate{in: s, before: s.previous, change: change, measure: measure, effect: pipeline.Effect{
			Seen: pipeline.EffectSeen, After: f.Arrival.Sub(c.sent), Stream: f.Stream, Seq: f.Seq,
			Confidence: (1 - chance) / float64(i+1), // it may as well be that of one before
		}}
		return tells // one change is the effect of one command
	}
	s.remember(now)
	return tells
}

// busy returns the change of a stream that has still to last: what follows may be
// its end.
func (w *Watch) busy(s *stream) *candidate {
	for _, c := range w.waiting {
		if c.found != nil && c.found.in == s {
			return c.found
		}
	}
	return nil
}

// confirm sees whether changes last.
func (w *Watch) confirm(s *stream) (tells []func()) {
	for _, c := range slices.Clone(w.waiting) {
		found := c.found
		if found == nil || found.in != s {
			continue
		}
		left := s.change(&found.before)
		if left[found.measure] >= found.change[found.measure]+math.Log(lasting) {
			found.lasted = true
		}
		if found.confirmed++; found.confirmed < confirming {
			continue
		}
		c.found = nil
		if found.lasted {
			s.settle(c.expect[s])
			tells = append(tells, w.end(c, found.effect))
			continue
		}
		s.remember(moment{found.change, s.last})
		for _, m := range found.followed {
			s.remember(m)
		}
	}
	return tells
}

// Close ends the watching: of what waits nothing is known.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	var tells []func()
	w.mu.Lock()
	for _, c := range slices.Clone(w.waiting) {
		tells = append(tells, w.end(c, pipeline.Effect{Seen: pipeline.EffectUnknown}))
	}
	w.mu.Unlock()
	for _, tell := range tells {
		tell()
	}
}

// Effects returns what was measured.
func (w *Watch) Effects() []pipeline.Effects {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tally.all()
}
