package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// The moments of a session's life that have commands, as the ledger names what
// caused them.
const (
	startMoment = "start"
	stopMoment  = "stop"
	stallMoment = "on_stall"
	renewMoment = "renew" // setters that are in force again
)

// Start sends the start commands, one after the other, each with its wait. A
// session that is not ours has none.
func (s *Session) Start(ctx context.Context) error {
	l, err := s.ready()
	if err != nil {
		return err
	}
	return s.start(ctx, l)
}

func (s *Session) start(ctx context.Context, l *life) error {
	return s.moment(ctx, l, startMoment, s.cfg.Spec.Start)
}

// Stalled sends the on_stall commands: the picture stands still.
func (s *Session) Stalled(ctx context.Context) error {
	l, err := s.ready()
	if err != nil {
		return err
	}
	return s.moment(ctx, l, stallMoment, s.cfg.Spec.OnStall)
}

// stopTimeout bounds what the stop commands may take, whoever ends the session.
const stopTimeout = 3 * time.Second

// stop sends the stop commands, if there is still somebody to hear them. What
// comes of it does not keep a session from its end.
func (s *Session) stop(ctx context.Context, l *life) {
	if len(s.cfg.Spec.Stop) == 0 || l.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.moment(ctx, l, stopMoment, s.cfg.Spec.Stop); err != nil {
		s.cfg.Log.Warn("the session ends without all of its stop commands", "err", err)
	}
}

// moment sends the commands of a moment of l.
func (s *Session) moment(ctx context.Context, l *life, name string, commands []config.SessionCommand) error {
	if !s.made() {
		return nil
	}
	for _, c := range commands {
		if err := s.scripted(pipeline.WithCause(ctx, pipeline.Cause{Node: name}), l, c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// patience is how long a command of the session's own may take: as long as a server
// is waited for, and where none is, as long as a reply.
func (s *Session) patience() time.Duration { return cmp.Or(s.cfg.Spec.Wait, replyTime) }

// replyTime is how long package sdk waits for the reply to a command.
const replyTime = 10 * time.Second

func (s *Session) scripted(ctx context.Context, l *life, c config.SessionCommand) error {
	args, err := arguments(c)
	if err != nil {
		return err
	}
	if err := l.check(c.Command, args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	said := s.await(ctx, l, c.Wait)
	if _, err := s.send(ctx, l, c.Command, args); err != nil {
		return err
	}
	return said()
}

// arguments returns a command's data, which holds constants and files only.
func arguments(c config.SessionCommand) (map[string]any, error) {
	data, _ := c.Data.Const()
	if data == nil {
		return nil, nil
	}
	args, ok := data.(map[string]any)
	if !ok {
		return nil, pipeline.Invalid(fmt.Errorf("command %q: data must be a map of arguments", c.Command))
	}
	return args, nil
}

// await subscribes to the messages of a type and returns what waits for the
// first one. An empty type is said at once.
func (s *Session) await(ctx context.Context, l *life, messageType string) func() error {
	if messageType == "" {
		return func() error { return nil }
	}
	messages := l.Messages(ctx)
	return func() error {
		for m := range messages {
			if m.Type == messageType {
				return nil
			}
		}
		switch err := ctx.Err(); {
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("the model did not say %q within %s", messageType, s.patience())
		case err != nil:
			return err
		}
		return l.Err()
	}
}
