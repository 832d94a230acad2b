package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// mostSecret is the largest file that ${file:…} takes in, in bytes.
const mostSecret = 64 << 10

// expansion is what became of a text with variables in it.
type expansion struct {
	// literal is the text for templates: braces that came out of variables are
	// protected, so that no variable holds an expression.
	literal string
	// quoted says that the file has the text in quotes, so that it stays one.
	quoted bool
}

// expander puts variables into the texts of a file, after it was parsed: lines
// stay true, and no variable can be more than a text.
type expander struct {
	*decoder
	env func(string) (string, bool)
	dir string
}

// tree expands all texts under n, keys excepted. What a flag brought stays: the
// shell has been over it.
func (e *expander) tree(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		e.scalar(n)
		return
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		e.tree(child)
	}
}

func (e *expander) scalar(n *yaml.Node) {
	if _, flagged := e.flags[n]; flagged || !strings.Contains(n.Value, "$") {
		return
	}
	var plain, literal strings.Builder
	substituted := false
	for rest := n.Value; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		plain.WriteString(before)
		literal.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "$"):
			plain.WriteByte('$')
			literal.WriteByte('$')
			rest = after[1:]
			continue
		case !strings.HasPrefix(after, "{"):
			plain.WriteByte('$')
			literal.WriteByte('$')
			rest = after
			continue
		}
		name, after, closed := strings.Cut(after[1:], "}")
		if !closed || strings.Contains(name, "${") {
			e.fail(n, "${%s: has no } of its own", shorten(name))
			return
		}
		value, err := e.lookup(name)
		if err != nil {
			e.fail(n, "%v", err)
			return
		}
		plain.WriteString(value)
		literal.WriteString(protect(value))
		substituted = true
		rest = after
		if plain.Len() > mostFile {
			e.fail(n, "is longer than %d KiB with its variables", mostFile>>10)
			return
		}
	}
	n.Value = plain.String()
	if substituted {
		e.expanded[n] = expansion{literal.String(), n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0}
		n.Tag, n.Style = "", 0
	}
}

func (e *expander) fail(n *yaml.Node, format string, args ...any) {
	e.broken[n] = true
	e.add(n, "", format, args...)
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (e *expander) lookup(reference string) (string, error) {
	if path, ok := strings.CutPrefix(reference, "file:"); ok {
		return e.file(path)
	}
	name, fallback, hasFallback := strings.Cut(reference, ":-")
	if !variableName.MatchString(name) {
		return "", fmt.Errorf("${%s}: must be ${NAME}, ${NAME:-default} or ${file:path}; a plain ${ is written $${", shorten(reference))
	}
	var value string
	var set bool
	if e.env != nil {
		value, set = e.env(name)
	}
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("environment variable %s is not set", name)
	default:
		return value, nil
	}
}

// file returns what a file holds, without the end of its last line.
func (e *expander) file(path string) (string, error) {
	at := path
	if !filepath.IsAbs(at) {
		at = filepath.Join(e.dir, at)
	}
	text, err := readAtMost(at, mostSecret)
	if err != nil {
		return "", fmt.Errorf("${file:%s}: %w", path, err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// readAtMost reads a small file. Its errors do not repeat the path.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.New("is a folder")
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("is larger than %d KiB", most>>10)
	}
	return text, nil
}

func withoutPath(err error) error {
	if at, ok := errors.AsType[*os.PathError](err); ok {
		return at.Err
	}
	return err
}

// protect writes braces so that a template shows them.
func protect(value string) string {
	return strings.ReplaceAll(value, "{", `{{"{"}}`)
}
