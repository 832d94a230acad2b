package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Files are texts by their paths below a folder, with slashes.
type Files map[string]string

// Paths returns them sorted.
func (f Files) Paths() []string { return slices.Sorted(maps.Keys(f)) }

// WriteNew writes the files below a folder, which it makes. It overwrites
// nothing: if one of them is there already, none is written.
func (f Files) WriteNew(folder string) error {
	for _, path := range f.Paths() {
		at := filepath.Join(folder, filepath.FromSlash(path))
		switch _, err := os.Lstat(at); {
		case err == nil:
			return fmt.Errorf("%s is there already; nothing was written", at)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	for _, path := range f.Paths() {
		at := filepath.Join(folder, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := writeNew(at, f[path]); err != nil {
			return err
		}
	}
	return nil
}

func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
