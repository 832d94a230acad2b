package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// stepCall is one command of a step or of a starting input, with the entry of the
// request that asks for it.
type stepCall struct {
	entry string
	name  string
	args  map[string]any
}

// setter is the command that a state key stands for.
func setter(entry, key string, value any) stepCall {
	return stepCall{entry: entry, name: "set_" + key, args: map[string]any{key: value}}
}

// stepCalls are the state of a request, sorted, and its commands.
func stepCalls(request *wire.RequestStep) []stepCall {
	state := wire.Map(request.GetState())
	var calls []stepCall
	for _, key := range slices.Sorted(maps.Keys(state)) {
		calls = append(calls, setter("state."+key, key, state[key]))
	}
	for i, c := range request.GetCommands() {
		calls = append(calls, stepCall{fmt.Sprintf("commands[%d]", i), c.GetType(), arguments(c)})
	}
	return calls
}

// awaitCalls waits for the files that each of the calls refers to.
func (x *session) awaitCalls(ctx context.Context, calls []stepCall, longest time.Duration) *stepFailure {
	for _, call := range calls {
		if err := x.awaitUploadsFor(ctx, references(call.args), longest); err != nil {
			return refused(call.entry, "%s references an unresolved upload", call.entry)
		}
	}
	return nil
}

// checkCalls holds all calls against the declarations before one of them runs.
func (m Model) checkCalls(calls []stepCall) *stepFailure {
	for _, call := range calls {
		if _, _, b := m.check(call.name, call.args); b != nil {
			return refused(call.entry, "%s is refused: %s", call.entry, b)
		}
	}
	return nil
}

// runCalls runs checked calls, up to the first that fails. What their handlers
// answer is told to everybody.
func (x *session) runCalls(connection uint32, calls []stepCall) *stepFailure {
	for _, call := range calls {
		cmd, checked, b := x.srv.surface().check(call.name, call.args)
		if b != nil { // the model takes other commands since
			return refused(call.entry, "%s is refused: %s", call.entry, b)
		}
		reply, err := x.perform(connection, cmd, checked)
		if err != nil {
			failed := asCommandError(err)
			return &stepFailure{
				kind: wire.StepFailureCode_STEP_FAILURE_CODE_COMMAND_FAILED,
				text: fmt.Sprintf("%s failed (%s): %s", call.name, failed.Code, failed.Message),
				code: failed.Code, entry: call.entry,
			}
		}
		if reply != nil {
			x.tell(reply.Type, reply.Data)
		}
	}
	return nil
}

// asCommandError is what a client is told of a handler's error.
func asCommandError(err error) *CommandError {
	if own, ok := errors.AsType[*CommandError](err); ok {
		return own
	}
	return &CommandError{Code: codeInternal, Message: textHandlerFailed}
}
