package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Replace writes a file, or another content into one that is there, so that
// whoever looks at the path sees all of it or what was there before, also after
// a crash.
func Replace(path string, content []byte) error {
	return write(path, content, os.Rename)
}

// Put writes a whole file, like Replace, and the folders above it. It returns
// the file's path, which differs from path where e is Rename and path is taken.
func Put(path string, content []byte, e Exists) (string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if e == Overwrite {
		return path, Replace(path, content)
	}
	placed := path
	err := write(path, content, func(from, to string) (err error) {
		if e == Fail {
			return moveAside(from, to)
		}
		placed, err = moveNumbered(from, to)
		return err
	})
	return placed, err
}

// moveNumbered moves a file to a path that is not taken.
func moveNumbered(from, to string) (string, error) {
	for name := to; ; {
		err := moveAside(from, name)
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
		ext := filepath.Ext(to)
		stem := strings.TrimSuffix(to, ext)
		n, err := highest(stem, ext)
		if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s-%d%s", stem, n+1, ext)
	}
}

// moveAside moves a file to a path that must not be taken.
func moveAside(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not every file system can
		if err = os.Link(from, to); err == nil {
			return os.Remove(from)
		}
		return err
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
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
