package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Command checks a command, sends it, waits for what comes of it, and enters it
// in the ledger, unless it was never sent because the session is not ready. One
// whose reply was lost with the connection has failed, for it may have been
// carried out.
func (s *Session) Command(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	record := pipeline.CommandRecord{
		Time: s.cfg.Clock.Now(), Command: name, Args: args, Cause: pipeline.CauseOf(ctx).Held(),
	}
	defer record.Cause.Trace.Release()
	reply, err := s.send(ctx, name, args)
	if errors.Is(err, pipeline.ErrNotReady) {
		return reply, err // nothing was sent; who tries again would fill the ledger
	}
	record.Settle(reply, err, s.cfg.Clock.Now().Sub(record.Time))
	s.Note(record)
	return reply, err
}

func (s *Session) send(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	live, err := s.ready()
	if err != nil {
		return pipeline.Reply{}, err
	}
	if err := s.Check(name, args); err != nil {
		reason := strings.TrimPrefix(err.Error(), fmt.Sprintf("command %q: ", name)) // a refusal names its command
		return pipeline.Reply{}, &refusal{&pipeline.Refused{Command: name, Code: "invalid_command", Reason: reason}, err}
	}
	reply, err := live.Command(ctx, name, references(args))
	if err != nil {
		return pipeline.Reply{}, refused(name, err)
	}
	return pipeline.Reply{Type: reply.Type, Data: reply.Data}, nil
}

// Note enters a decision that never became a command.
func (s *Session) Note(r pipeline.CommandRecord) {
	if s.cfg.OnCommand != nil {
		s.cfg.OnCommand(r, s.cfg.Clock.Now())
	}
	r.Cause.Trace = nil
	s.ledger.Note(r)
}

// Commands returns the ledger's records after the first n.
func (s *Session) Commands(n uint64) ([]pipeline.CommandRecord, uint64) {
	return s.ledger.Commands(n)
}

// CommandCounts returns how many commands had which outcome.
func (s *Session) CommandCounts() map[pipeline.Outcome]uint64 { return s.ledger.Counts() }

// Check compares a command with the model's schema. Without a schema every
// command passes.
func (s *Session) Check(name string, args map[string]any) error {
	s.mu.Lock()
	schema := s.schema
	s.mu.Unlock()
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

// references returns args with file references as package sdk knows them.
func references(args map[string]any) map[string]any {
	m := make(map[string]any, len(args))
	for name, v := range args {
		m[name] = reference(v)
	}
	return m
}

func reference(v any) any {
	switch v := v.(type) {
	case pipeline.FileRef:
		return sdk.FileRef{UploadID: v.UploadID, Name: v.Name, MIMEType: v.MIMEType, Size: v.Size}
	case map[string]any:
		return references(v)
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = reference(e)
		}
		return l
	}
	return v
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
