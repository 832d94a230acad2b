package outfile

import (
	"errors"
	"io/fs"
	"os"
)

// Reserve makes an empty file for a path, or one close to it, and returns its
// path. A file that is to be overwritten stays as it is for now.
func Reserve(path string, e Exists) (string, error) {
	if e == Overwrite {
		e = Append // who writes to it empties it
	}
	f, err := Open(path, e)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// Discard removes a file that nothing was written to.
func Discard(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() > 0 {
		return err
	}
	return os.Remove(path)
}
