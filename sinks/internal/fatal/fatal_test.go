package fatal_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
)

func TestError(t *testing.T) {
	err := fatal.Error(fs.ErrPermission)
	if !errors.Is(err, pipeline.ErrFatal) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not both", err)
	}
	if got, want := err.Error(), fs.ErrPermission.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := fatal.Error(nil); err != nil {
		t.Errorf("of nothing: got %v", err)
	}
}
