package app

import (
	"errors"
	"fmt"
	"strings"

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

// exitCodes says what they mean, each in a format of its code and its meaning.
func exitCodes(format, between string) string {
	meanings := []struct {
		code    int
		meaning string
	}{
		{exitDone, "done, also an orderly end by the server"},
		{exitFailed, "failed while running: another try may work"},
		{exitUsage, "a wrong command line"},
		{exitRefused, "a key or token that was refused"},
		{exitConfig, "what no retry can mend: a file, its flags, a variable that is not set, an unknown model, track or command"},
	}
	texts := make([]string, len(meanings))
	for i, m := range meanings {
		texts[i] = fmt.Sprintf(format, m.code, m.meaning)
	}
	return strings.Join(texts, between)
}

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
