package exec

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// helperSource is the Python module that speaks the protocol.
//
//go:embed reactorpipe_stage.py
var helperSource []byte

// newHelper writes the Python module into a folder of its own, for the program's
// path.
func newHelper() (dir string, err error) {
	dir, err = os.MkdirTemp("", "reactorpipe-exec-")
	if err != nil {
		return "", fmt.Errorf("python module: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "reactorpipe_stage.py"), helperSource, 0o600); err != nil {
		return "", errors.Join(fmt.Errorf("python module: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}
