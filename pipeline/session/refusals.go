package session

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// late is how long after a command a command_error is still taken for its own.
const late = 10 * time.Second

// refusals ties the broadcast refusals of the model to the commands that they
// belong to. Those of a command whose reply is being waited for are package
// sdk's; a model may also acknowledge a command and refuse it a second later.
type refusals struct {
	mu    sync.Mutex // guards what follows
	names map[string]*named
}

// named are the commands of one name.
type named struct {
	flying int                     // replies that are waited for
	heard  int                     // refusals broadcast meanwhile
	owned  int                     // of those that package sdk has tied to a command
	taken  *pipeline.CommandRecord // the last that the model took
}

// sending says that a command is under way, until the function is called.
func (r *refusals) sending(name string) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.of(name)
	n.flying++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if n.flying--; n.flying == 0 {
			n.heard, n.owned = 0, 0
		}
	}
}

// of returns the commands of a name. mu is held.
func (r *refusals) of(name string) *named {
	if r.names == nil {
		r.names = make(map[string]*named)
	}
	n := r.names[name]
	if n == nil {
		n = new(named)
		r.names[name] = n
	}
	return n
}

// settled notes what came of a command.
func (r *refusals) settled(c pipeline.CommandRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.of(c.Command)
	switch c.Outcome {
	case pipeline.CommandSent:
		c.Cause.Trace = nil // that ends with the command
		n.taken = &c
	case pipeline.CommandRefused:
		n.owned++
	}
}

// claim returns the command that a broadcast refusal belongs to; nil if it was
// tied to one that was under way, or to none.
func (r *refusals) claim(name string, at time.Time) *pipeline.CommandRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.names[name]
	if n == nil {
		return nil
	}
	n.heard++
	if n.flying > 0 || n.heard <= n.owned || n.taken == nil || at.Sub(n.taken.Time) > late {
		return nil
	}
	taken := n.taken
	n.taken = nil
	return taken
}

// disown enters the late refusal of a command in the ledger, and does not send
// that again in the next session.
func (s *Session) disown(m pipeline.Message) {
	name, _ := m.Data["command"].(string)
	reason, _ := m.Data["reason"].(string)
	c := s.refusals.claim(name, s.cfg.Clock.Now())
	if c == nil {
		return
	}
	s.setters.forget(name, func(args map[string]any) bool { return reflect.DeepEqual(args, c.Args) })
	refused := *c
	refused.Outcome, refused.Reply = pipeline.CommandRefused, pipeline.Reply{}
	refused.Reason = fmt.Sprintf("%s (told %s after it was taken)", reason, m.At.Sub(c.Time).Round(time.Millisecond))
	s.Note(refused)
	s.cfg.Log.Warn("command refused after it was taken", "command", name, "reason", reason, "stream", c.Cause.Stream, "seq", c.Cause.Seq)
}
