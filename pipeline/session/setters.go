package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// setters remembers what was last set in a session, so that it is in force in the
// next one.
type setters struct {
	again []string // names; nil is all that begin with set_
	keep  bool

	mu   sync.Mutex // guards what follows
	last []setting  // the one sent last is the last
}

// setting is a command whose effect lasts.
type setting struct {
	command string
	args    map[string]any
}

func newSetters(renew *config.Renew) *setters {
	if renew == nil {
		return &setters{}
	}
	return &setters{again: renew.Again, keep: true}
}

// note remembers a command that the model took, in the place of the one before.
func (s *setters) note(command string, args map[string]any) {
	if !s.lasts(command) {
		return
	}
	s.forget(command, func(map[string]any) bool { return true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = append(s.last, setting{command, args})
}

func (s *setters) lasts(command string) bool {
	switch {
	case !s.keep:
		return false
	case s.again != nil:
		return slices.Contains(s.again, command)
	}
	return strings.HasPrefix(command, "set_")
}

// forget forgets what was set with such arguments.
func (s *setters) forget(command string, such func(args map[string]any) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = slices.DeleteFunc(s.last, func(l setting) bool { return l.command == command && such(l.args) })
}

func (s *setters) all() []setting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.last)
}

// restore sets in l what was set before. What the model refuses now is in the
// ledger, and no reason to do without the session.
func (s *Session) restore(ctx context.Context, l *life) {
	ctx = pipeline.WithCause(ctx, pipeline.Cause{Node: renewMoment})
	for _, set := range s.setters.all() {
		err := s.again(ctx, l, set)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("not in force in the next session", "command", set.command, "err", err)
		}
	}
}

func (s *Session) again(ctx context.Context, l *life, set setting) error {
	args, err := s.files.again(set.args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience(), fmt.Errorf("no reply within %s", s.patience()))
	defer cancel()
	_, err = s.send(ctx, l, set.command, args)
	return err
}
