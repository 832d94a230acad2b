package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Exists says what becomes of a file that is there already.
type Exists string

// What can become of it.
const (
	Append    Exists = "append"    // goes on behind what it holds
	Rename    Exists = "rename"    // the new file gets a number: video-2.mp4
	Overwrite Exists = "overwrite" // is replaced
	Fail      Exists = "fail"      // is left alone, and the run ends
)

// Validate says whether e is one of those allowed.
func (e Exists) Validate(allowed ...Exists) error {
	if slices.Contains(allowed, e) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	return fmt.Errorf("must be %s or %s, got %q", strings.Join(names[:last], ", "), names[last], string(e))
}

// Open creates the file that path leads to, and the folders above it, and
// returns it open for writing. Its name differs from path where e is Rename and
// path is taken.
func Open(path string, e Exists) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	switch e {
	case Append:
		// Each write goes to the end of the file as it is then, whoever else
		// writes to it or has cut it short.
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	case Overwrite:
		return os.Create(path)
	case Fail:
		return create(path)
	}
	return createNumbered(path)
}

func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
}

// createNumbered gives a file a number above all that are there, so that the
// numbers tell the order also where earlier files are gone.
func createNumbered(path string) (*os.File, error) {
	ext := filepath.Ext(path)
	stem := strings.TrimSuffix(path, ext)
	for {
		name := path
		n, err := highest(stem, ext)
		switch {
		case err != nil:
			return nil, err
		case n > 0:
			name = fmt.Sprintf("%s-%d%s", stem, n+1, ext)
		}
		f, err := create(name)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// highest returns the highest number of the files that are there: 1 is that of
// the one without, 0 says that there is none.
func highest(stem, ext string) (n int, err error) {
	base := strings.TrimSuffix(filepath.Base(stem+ext), ext)
	entries, err := os.ReadDir(filepath.Dir(stem + ext))
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		rest, begins := strings.CutPrefix(e.Name(), base)
		middle, ends := strings.CutSuffix(rest, ext)
		if begins && ends {
			n = max(n, number(middle))
		}
	}
	return n, nil
}

// number returns the number that is between a file's stem and its extension; 0
// if that is something else.
func number(middle string) int {
	if middle == "" {
		return 1
	}
	digits, found := strings.CutPrefix(middle, "-")
	n, err := strconv.Atoi(digits)
	if !found || err != nil || n < 2 || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}
