// Package outfile is how sinks write files: where a configured path leads, what
// becomes of a file that is there already, and lines that outlive crashes and
// full disks.
package outfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Path is where a sink writes, relative to the working directory. {{date}} and
// {{time}} stand for the local time at which the file is begun.
type Path string

var computed = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}`)

// Validate says what is wrong with p. The message does not name the field.
func (p Path) Validate() error {
	if p == "" {
		return errors.New("is required")
	}
	for _, m := range computed.FindAllStringSubmatch(string(p), -1) {
		if _, ok := layouts(m[1]); !ok {
			return fmt.Errorf("unknown {{ %s }}: a path knows {{date}} and {{time}}", m[1])
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

func layouts(name string) (layout string, ok bool) {
	switch name {
	case "date":
		return "2006-01-02", true
	case "time":
		return "150405", true
	}
	return "", false
}
