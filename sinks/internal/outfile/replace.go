package outfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes a file, or another content into one that is there, so that
// whoever looks at the path sees all of it or what was there before, also after
// a crash.
func Replace(path string, content []byte) error {
	return write(path, content, os.Rename)
}

// write writes content to a file that nobody looks at and has it put in place.
func write(path string, content []byte, place func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = errors.Join(f.Chmod(0o644), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = place(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
