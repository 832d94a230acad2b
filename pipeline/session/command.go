package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Command uploads the files among args, checks and sends a command, waits for
// what comes of it, and enters it in the ledger, unless it was never sent because
// ctx is over, the session is not ready, or the command would be one too many in too
// short a time. One whose reply was lost with the connection has failed, for it may have
// been carried out. One that a frame caused may be held back as part of a circle.
func (s *Session) Command(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	if ctx.Err() != nil {
		return pipeline.Reply{}, context.Cause(ctx)
	}
	l, err := s.ready()
	if err != nil {
		return pipeline.Reply{}, err
	}
	if err := s.allow(ctx, name, args); err != nil {
		return pipeline.Reply{}, err
	}
	reply, err := s.send(ctx, l, name, args)
	if err == nil {
		s.setters.note(name, args)
	}
	return reply, err
}

// allow says whether a command may go now.
func (s *Session) allow(ctx context.Context, name string, args map[string]any) error {
	now, cause := s.cfg.Clock.Now(), pipeline.CauseOf(ctx).Held()
	defer cause.Trace.Release()
	if err := s.circles.held(now, cause, name); err != nil {
		s.settle(pipeline.CommandRecord{Time: now, Command: name, Args: args, Cause: cause}, pipeline.Reply{}, err)
		return err
	}
	if wait := s.bucket.take(now); wait > 0 {
		return &pipeline.Throttled{After: wait}
	}
	if err := s.circles.judge(now, cause, name, args); err != nil {
		s.settle(pipeline.CommandRecord{Time: now, Command: name, Args: args, Cause: cause}, pipeline.Reply{}, err)
		return err
	}
	return nil
}

// send sends a command in a life, whoever caused it.
func (s *Session) send(ctx context.Context, l *life, name string, args map[string]any) (pipeline.Reply, error) {
	r := pipeline.CommandRecord{Time: s.cfg.Clock.Now(), Command: name, Args: args, Cause: pipeline.CauseOf(ctx).Held()}
	defer r.Cause.Trace.Release()
	if err := l.check(name, args); err != nil {
		reason := strings.TrimPrefix(err.Error(), fmt.Sprintf("command %q: ", name)) // a refusal names its command
		err = &refusal{&pipeline.Refused{Command: name, Code: sdk.CodeInvalidCommand, Reason: reason}, err}
		s.settle(r, pipeline.Reply{}, err)
		return pipeline.Reply{}, err
	}
	args, err := l.uploaded(ctx, args)
	if err != nil {
		err = fmt.Errorf("command %s: %w", name, err)
		s.settle(r, pipeline.Reply{}, err)
		return pipeline.Reply{}, err
	}
	r.Args = args
	begun := s.cfg.Clock.Now()
	watched := s.effects.Sent(name, begun)
	answer, err := l.Command(ctx, name, references(args))
	reply := pipeline.Reply{Type: answer.Type, Data: answer.Data}
	if err != nil {
		reply, err = pipeline.Reply{}, refused(name, err)
	}
	r.RoundTrip = s.cfg.Clock.Now().Sub(begun)
	n := s.settle(r, reply, err)
	if err != nil {
		watched.Forget()
		return reply, err
	}
	watched.Taken(func(e pipeline.Effect) { s.ledger.effect(n, r, e) })
	return reply, nil
}

// settle enters what came of a command in the ledger, and returns its number
// there. Nothing came of one that the session was not ready for: who tries again
// would fill the ledger.
func (s *Session) settle(r pipeline.CommandRecord, reply pipeline.Reply, err error) (n uint64) {
	if errors.Is(err, pipeline.ErrNotReady) {
		return 0
	}
	r.Settle(reply, err, r.RoundTrip)
	n = s.enter(r)
	s.refusals.settled(r)
	return n
}

// Note enters a decision that never became a command.
func (s *Session) Note(r pipeline.CommandRecord) { s.enter(r) }

func (s *Session) enter(r pipeline.CommandRecord) (n uint64) {
	if s.cfg.OnCommand != nil {
		s.cfg.OnCommand(r, s.cfg.Clock.Now())
	}
	r.Cause.Trace = nil
	return s.ledger.enter(r)
}

// Look looks at a frame of one of the session's sources, which is lent, for the
// effects of commands.
func (s *Session) Look(f *pipeline.Frame) { s.effects.Look(f) }

// Effects returns what commands did to the picture.
func (s *Session) Effects() []pipeline.Effects { return s.effects.Effects() }

// Commands returns the ledger's records after the first n.
func (s *Session) Commands(n uint64) ([]pipeline.CommandRecord, uint64) {
	return s.ledger.Commands(n)
}

// CommandCounts returns how many commands had which outcome.
func (s *Session) CommandCounts() map[pipeline.Outcome]uint64 { return s.ledger.Counts() }

// Check compares a command with the model's schema. Without a schema every
// command passes.
func (s *Session) Check(name string, args map[string]any) error {
	l := s.latest()
	if l == nil {
		return nil
	}
	return l.check(name, args)
}

func (l *life) check(name string, args map[string]any) error {
	schema := l.schema.Load()
	if schema == nil {
		return nil
	}
	return CheckCommand(schema, name, args)
}

// CheckCommand compares a command with a model's schema, as
// [pipeline.Session].Check says.
func CheckCommand(schema *sdk.Schema, name string, args map[string]any) error {
	return pipeline.Invalid(schema.Check(name, references(args), isComputed))
}

func isComputed(v any) bool {
	_, ok := v.(pipeline.Computed)
	return ok
}

// references returns args with file references as package sdk knows them, and
// with one in the place of what is still to be uploaded.
func references(args map[string]any) map[string]any {
	m, _ := replace(args, func(v any) (any, error) {
		switch v := v.(type) {
		case pipeline.FileRef:
			return sdk.FileRef{UploadID: v.UploadID, Name: v.Name, MIMEType: v.MIMEType, Size: v.Size}, nil
		case pipeline.Upload:
			return sdk.FileRef{UploadID: "00000000000000000000000000000000", Name: v.Name, MIMEType: v.MIMEType, Size: 1}, nil
		}
		return v, nil
	})
	return m
}

// replace returns a copy of args with what each makes of every value that is
// neither a map nor a list.
func replace(args map[string]any, each func(any) (any, error)) (map[string]any, error) {
	m := make(map[string]any, len(args))
	for name, v := range args {
		var err error
		if m[name], err = replaceIn(v, each); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return m, nil
}

func replaceIn(v any, each func(any) (any, error)) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		return replace(v, each)
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			var err error
			if l[i], err = replaceIn(e, each); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return l, nil
	}
	return each(v)
}

// refusal is a refused command with its cause.
type refusal struct {
	*pipeline.Refused
	cause error
}

// Unwrap offers both the refusal and what it was made of.
func (r *refusal) Unwrap() []error { return []error{r.Refused, r.cause} }

// refused turns sdk's error for a command that the model did not take into a
// refusal, and leaves other errors to translate.
func refused(name string, err error) error {
	var e *sdk.Error
	if !errors.As(err, &e) || !errors.Is(err, sdk.ErrRefused) {
		return translate(err)
	}
	return &refusal{&pipeline.Refused{Command: name, Code: e.Code, Reason: e.Message}, err}
}

// translate gives err the sentinel of package pipeline that fits it. What was
// sent and lost its answer is not among it: to try again would do it twice.
func translate(err error) error {
	if errors.Is(err, sdk.ErrNotReady) {
		return fmt.Errorf("%w: %w", pipeline.ErrNotReady, err)
	}
	return err
}
