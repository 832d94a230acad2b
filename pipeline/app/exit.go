package app

import (
	"errors"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// The exit codes. A service manager must not restart on the last two.
const (
	exitDone    = 0
	exitFailed  = 1  // failed while running; another try may work
	exitUsage   = 2  // wrong command line
	exitRefused = 77 // the key or token was refused (EX_NOPERM)
	exitConfig  = 78 // no retry can mend it (EX_CONFIG)
)

// usageError is a wrong command line.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// configError is a mistake in a pipeline's file or what it names.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// tokenError is an admin token that was refused.
type tokenError struct{ error }

func (e *tokenError) Unwrap() error { return e.error }

// toldError is an error that the user has been told already.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage *usageError
	var cfg *configError
	var token *tokenError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, sdk.ErrUnauthorized), errors.As(err, &token):
		return exitRefused
	case errors.As(err, &cfg), errors.Is(err, pipeline.ErrInvalid):
		return exitConfig
	}
	return exitFailed
}
