// Package fatal makes errors end the run without saying so in their text, which
// is read by people.
package fatal

import "github.com/reactorpipe/reactorpipe/pipeline"

// Error returns err as one that also wraps [pipeline.ErrFatal]; nil for nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return &fatal{err}
}

type fatal struct{ error }

func (f *fatal) Unwrap() []error { return []error{f.error, pipeline.ErrFatal} }
