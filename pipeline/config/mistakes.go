package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// mostMistakes is how many are shown: nobody mends more in one go.
const mostMistakes = 50

// mistakes are all that is wrong with one file.
type mistakes struct {
	path string
	// flags are the nodes that --set put into the file, and by which words.
	flags map[*yaml.Node]string
	all   []mistake
}

// mistake is one of them. It has a line, or the flag that made it, or neither.
type mistake struct {
	line int
	flag string
	text string
}

// add notes what is wrong at a node; about says whose it is, and may be "".
func (m *mistakes) add(at *yaml.Node, about, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if about != "" {
		text = about + ": " + text
	}
	found := mistake{text: text}
	if at != nil {
		found.line, found.flag = at.Line, m.flags[at]
	}
	if found.flag != "" {
		found.line = 0
	}
	m.all = append(m.all, found)
}

// addFlag notes what is wrong with a flag itself.
func (m *mistakes) addFlag(flag, format string, args ...any) {
	m.all = append(m.all, mistake{flag: flag, text: fmt.Sprintf(format, args...)})
}

// addError notes what a component says of its settings: each error that is
// joined in err, at the line of the field that its message begins with.
func (m *mistakes) addError(settings *yaml.Node, about string, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			m.addError(settings, about, e)
		}
		return
	}
	field, _, _ := strings.Cut(err.Error(), ": ")
	m.add(find(settings, field), about, "%s", err)
}

// err returns all mistakes as one error, a line each, or nil.
func (m *mistakes) err() error {
	if len(m.all) == 0 {
		return nil
	}
	slices.SortStableFunc(m.all, func(a, b mistake) int {
		if (a.flag == "") != (b.flag == "") {
			return len(a.flag) - len(b.flag)
		}
		return a.line - b.line
	})
	lines := make([]string, 0, len(m.all))
	for _, one := range m.all {
		lines = append(lines, m.line(one))
	}
	lines = unique(lines)
	if len(lines) > mostMistakes {
		rest := len(lines) - mostMistakes
		lines = append(lines[:mostMistakes], fmt.Sprintf("%s: and %d mistakes more", m.path, rest))
	}
	return errors.New(strings.Join(lines, "\n"))
}

func (m *mistakes) line(one mistake) string {
	switch {
	case one.flag != "":
		return one.flag + ": " + one.text
	case one.line > 0:
		return fmt.Sprintf("%s:%d: %s", m.path, one.line, one.text)
	default:
		return m.path + ": " + one.text
	}
}

func unique(lines []string) []string {
	seen := make(map[string]bool)
	return slices.DeleteFunc(lines, func(line string) bool {
		again := seen[line]
		seen[line] = true
		return again
	})
}

// or writes choices as a sentence does.
func or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// and writes names as a sentence does.
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
