package sdk

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What a caller may act on; test with [errors.Is].
var (
	// ErrNotReady: the session is not connected at the moment; nothing was sent.
	ErrNotReady = errors.New("session not ready")
	// ErrUnauthorized: the key or token was refused.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrNotFound: no such model, session or upload; a clip is no longer kept.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the server is busy with another session.
	ErrConflict = errors.New("conflict")
	// ErrRateLimited: too many requests; [Error.RetryAfter] may say how long to wait.
	ErrRateLimited = errors.New("rate limited")
	// ErrDisconnected: the connection was lost while the call waited. What was
	// asked for may have happened.
	ErrDisconnected = errors.New("disconnected")
	// ErrTimeout: no answer in time. What was asked for may have happened.
	ErrTimeout = errors.New("timed out")
	// ErrRefused: the model or the runtime refused what was asked for;
	// [Error.Code] and [Error.Message] are its own.
	ErrRefused = errors.New("refused")
	// ErrSessionEnded: the server ended the session.
	ErrSessionEnded = errors.New("session ended")
	// ErrClosed: this side closed the session.
	ErrClosed = errors.New("session closed")
	// ErrTooLarge: the message exceeds the connection's limit; nothing was sent.
	ErrTooLarge = errors.New("message too large")
	// ErrNoCodec: the two sides have no codec in common for a track.
	ErrNoCodec = errors.New("no common codec")
)

// Codes of errors that this client makes. Others come from the runtime or the
// model and pass through unchanged.
const (
	CodeInvalidState    = "INVALID_STATE"
	CodeDisconnected    = "DISCONNECTED"
	CodeNetwork         = "NETWORK_ERROR"
	CodeTimeout         = "REQUEST_TIMEOUT"
	CodeTransport       = "TRANSPORT_ERROR"
	CodeUnauthorized    = "UNAUTHORIZED"
	CodeNotFound        = "NOT_FOUND"
	CodeConflict        = "CONFLICT"
	CodeRateLimited     = "RATE_LIMITED"
	CodeBadRequest      = "BAD_REQUEST"
	CodeServer          = "SERVER_ERROR"
	CodeVersionMismatch = "VERSION_MISMATCH"
	CodeDecode          = "DECODE_FAILED"
	CodeSessionTerminal = "SESSION_TERMINAL"
	CodeTooLarge        = "MESSAGE_TOO_LARGE"
	CodeAborted         = "ABORTED"
	CodeGeneration      = "GENERATION_MODE_MISMATCH"
	CodeNoCodec         = "NO_COMMON_CODEC"
	// Clips: the recorder is off or broken, the clip is no longer kept, what was
	// to be downloaded is not a playlist of a clip.
	CodeRecorderDisabled = "RECORDER_DISABLED"
	CodeClipGone         = "CLIP_GONE"
	CodePlaylist         = "INVALID_PLAYLIST"
	CodeInternal         = "INTERNAL_ERROR"
	// Steps. Those in lower case are the server's.
	CodeChunking         = "DATA_CHANNEL_CHUNKING_REQUIRED"
	CodeFrameEncoding    = "UNSUPPORTED_FRAME_ENCODING"
	CodeStepRefused      = "step_refused"
	CodeStepNotReady     = "step_not_ready"
	CodeStepTooLarge     = "step_result_too_large"
	CodeStepCommand      = "step_command_failed"
	CodeStepSessionEnded = "step_session_ended"
	// CodeInvalidCommand is the runtime's code of a command that is not the
	// model's, and ours of one that [Config.CheckCommands] did not let out.
	CodeInvalidCommand = "invalid_command"
	// CodeCommandError is the code of a refusal that the model broadcast as a
	// command_error message.
	CodeCommandError = "command_error"
)

// Error is the one type of error that methods of this package return, but for
// mistakes in a [Config]. It never holds keys or tokens.
type Error struct {
	Code      string
	Component string // "api": HTTP and tokens; "gpu": the connection to the model
	Operation string // what failed, "" for a lost connection
	Message   string
	Status    int // of the HTTP answer, 0 without one
	// Recoverable says that trying again may help.
	Recoverable bool
	// RetryAfter is how long the server asks to wait; 0 where it does not.
	RetryAfter time.Duration
	// Entry names the part of a step at fault, such as "commands[1]". CommandCode
	// is the model's own, where a command of a step failed.
	Entry       string
	CommandCode string

	cause      error
	refused    bool // by the model or runtime
	signalling bool // by a signalling route
}

// Error returns "<operation>: [<code>] <message>".
func (e *Error) Error() string {
	if e.Operation == "" {
		return fmt.Sprintf("[%s] %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s: [%s] %s", e.Operation, e.Code, e.Message)
}

// Is reports whether target is the sentinel of the error's code.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrRefused:
		return e.refused
	case ErrUnauthorized:
		return e.Code == CodeUnauthorized
	case ErrNotFound:
		return e.Code == CodeNotFound || e.Code == CodeClipGone
	case ErrConflict:
		return e.Code == CodeConflict
	case ErrRateLimited:
		return e.Code == CodeRateLimited
	case ErrDisconnected:
		return e.Code == CodeDisconnected
	case ErrTimeout:
		return e.Code == CodeTimeout
	case ErrSessionEnded:
		return e.Code == CodeSessionTerminal || e.Code == CodeStepSessionEnded
	case ErrTooLarge:
		return e.Code == CodeTooLarge
	case ErrNoCodec:
		return e.Code == CodeNoCodec
	}
	return false
}

// Unwrap returns the cause, nil where there is none to act on.
func (e *Error) Unwrap() error { return e.cause }

// The components of an error.
const (
	componentAPI = "api"
	componentGPU = "gpu"
)

// recoverable are the codes after which trying again may help.
func recoverable(code string) bool {
	switch code {
	case CodeDisconnected, CodeNetwork, CodeTimeout, CodeTransport, CodeRateLimited, CodeServer:
		return true
	}
	return false
}

// passing is the error of a request that may succeed if it is made again, nil if
// there is no such error.
func passing(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Recoverable && ctx.Err() == nil {
		return e
	}
	return nil
}

func gpuError(code, op, message string) *Error {
	return &Error{Code: code, Component: componentGPU, Operation: op, Message: message, Recoverable: recoverable(code)}
}

func gpuErrorf(code, op, format string, args ...any) *Error {
	return gpuError(code, op, fmt.Sprintf(format, args...))
}

// refusal is what the other side said no with.
func refusal(code, op, message string) *Error {
	if code == "" {
		code = CodeInternal
	}
	return &Error{Code: code, Component: componentGPU, Operation: op, Message: message, refused: true}
}

// notReady is the error of a call that finds no connection. The status follows
// the connection a moment later, and publications a moment after that.
func notReady(op string, s Status) *Error {
	if s == StatusReady {
		s = "between two connections"
	}
	e := gpuErrorf(CodeInvalidState, op, "session is %s, not ready", s)
	e.cause = ErrNotReady
	return e
}

// unsent is the error of a call that found the connection lost.
func unsent(op string, cause error) *Error {
	e := gpuErrorf(CodeInvalidState, op, "connection lost: %v", cause)
	e.cause = ErrNotReady
	return e
}

// interrupted is the error of a call whose context ended first.
func interrupted(ctx context.Context, component, op string) *Error {
	e := &Error{Code: CodeAborted, Component: component, Operation: op, Message: "canceled", cause: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Code, e.Message, e.Recoverable = CodeTimeout, "the caller's deadline passed", true
		e.cause = ctx.Err()
	}
	return e
}
