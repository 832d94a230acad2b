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
	mu    sync.Mutex                         // guards taken
	taken map[string]*pipeline.CommandRecord // the last of each name
}

// settled notes what came of a command.
func (r *refusals) settled(c pipeline.CommandRecord) {
	if c.Outcome != pipeline.CommandSent {
		return
	}
	c.Cause.Trace = nil // that ends with the command
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken == nil {
		r.taken = make(map[string]*pipeline.CommandRecord)
	}
	r.taken[c.Command] = &c
}

// claim returns the command that a broadcast refusal belongs to, once; nil if it
// is none's.
func (r *refusals) claim(name string, at time.Time) *pipeline.CommandRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.taken[name]
	if taken == nil || at.Sub(taken.Time) > late {
		return nil
	}
	delete(r.taken, name)
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
