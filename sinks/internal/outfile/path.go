// Package outfile is how sinks write files: where a configured path leads, what
// becomes of a file that is there already, and lines that outlive crashes and
// full disks.
package outfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Path is where a sink writes, relative to the working directory. {{date}} and
// {{time}} stand for the local time at which the file is begun, and {{seq}}, in
// the path of a file with one frame, for the frame's number in its source.
type Path string

var computed = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}`)

// seq is the word that only the path of a frame knows.
const seq = "seq"

// Validate says what is wrong with p. The message does not name the field.
func (p Path) Validate() error { return p.validate("{{date}} and {{time}}") }

// ValidateOfFrame is Validate for the path of a file with one frame.
func (p Path) ValidateOfFrame() error { return p.validate("{{date}}, {{time}} and {{seq}}", seq) }

func (p Path) validate(words string, more ...string) error {
	if p == "" {
		return errors.New("is required")
	}
	for _, m := range computed.FindAllStringSubmatch(string(p), -1) {
		if _, ok := layouts(m[1]); !ok && !slices.Contains(more, m[1]) {
			return fmt.Errorf("unknown {{ %s }}: a path knows %s", m[1], words)
		}
	}
	if strings.HasSuffix(string(p), "/") {
		return fmt.Errorf("must name a file, got the folder %q", string(p))
	}
	return nil
}

// At returns the path of a file that is begun now.
func (p Path) At(now time.Time) string {
	return computed.ReplaceAllStringFunc(string(p), func(s string) string {
		layout, ok := layouts(computed.FindStringSubmatch(s)[1])
		if !ok {
			return s
		}
		return now.Local().Format(layout)
	})
}

// OfFrame returns the path of a file that is written now for the frame with
// that number.
func (p Path) OfFrame(now time.Time, number uint64) string {
	return computed.ReplaceAllStringFunc(p.At(now), func(s string) string {
		if computed.FindStringSubmatch(s)[1] != seq {
			return s
		}
		return strconv.FormatUint(number, 10)
	})
}

// Check makes the folder that all files of p lie in, and says whether files can
// be written there.
func (p Path) Check() error {
	fixed, _, _ := strings.Cut(string(p), "{{")
	folder := filepath.Dir(fixed + "x")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func layouts(name string) (layout string, ok bool) {
	switch name {
	case "date":
		return "2006-01-02", true
	case "time":
		return "150405", true
	}
	return "", false
}
