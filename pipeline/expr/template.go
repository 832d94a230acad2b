package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Template is a text with expressions between {{ and }}, such as
// "{{ len(people.detections) }} people".
//
// The zero value is "". Copies share what Check compiles.
type Template struct {
	source string
	parts  []*part
}

// part is a literal or, where source is set, an expression.
type part struct {
	literal string
	source  string
	program *Program // nil until checked
}

// Literal returns a template without expressions, whatever is in text.
func Literal(text string) Template {
	if text == "" {
		return Template{}
	}
	return Template{source: text, parts: []*part{{literal: text}}}
}

// ParseTemplate reads a template. Its expressions are compiled by
// [Template.Check].
func ParseTemplate(text string) (Template, error) {
	t := Template{source: text}
	for rest := text; rest != ""; {
		literal, after, found := strings.Cut(rest, "{{")
		if literal != "" {
			t.parts = append(t.parts, &part{literal: literal})
		}
		if !found {
			break
		}
		end := endOfExpression(after)
		if end < 0 {
			return Template{}, fmt.Errorf("%s: {{ has no matching }}", shorten("{{"+after))
		}
		source := strings.TrimSpace(after[:end])
		if source == "" {
			return Template{}, errors.New("{{ }} holds no expression")
		}
		t.parts = append(t.parts, &part{source: source})
		rest = after[end+len("}}"):]
	}
	return t, nil
}

// endOfExpression returns where the }} is that ends an expression, past texts
// and the braces of its own, or -1.
func endOfExpression(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'', '`':
			n := endOfText(s[i:])
			if n < 0 {
				return -1
			}
			i += n
		case '{':
			depth++
		case '}':
			if depth == 0 {
				if strings.HasPrefix(s[i:], "}}") {
					return i
				}
				return -1
			}
			depth--
		}
	}
	return -1
}

// endOfText returns where the quote is that ends the text that s begins with.
func endOfText(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`':
			i++
		case s[i] == s[0]:
			return i
		}
	}
	return -1
}

// UnmarshalYAML reads a template from a YAML text.
func (t *Template) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	parsed, err := ParseTemplate(text)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// String returns the source text.
func (t Template) String() string { return t.source }

// Equal says that both are written alike.
func (t Template) Equal(other Template) bool { return t.source == other.source }

// Check compiles the expressions in t for a node.
func (t Template) Check(scope *Scope) error {
	var errs []error
	for _, p := range t.parts {
		if p.source == "" {
			continue
		}
		program, err := Compile(p.source, scope)
		if err != nil {
			errs = append(errs, fmt.Errorf("{{ %s }}: %w", shorten(p.source), err))
			continue
		}
		p.program = program
	}
	return errors.Join(errs...)
}

// Const returns the value of a template that holds no expression, or only a
// constant one; false for all others. It is meant for after Check.
func (t Template) Const() (any, bool) {
	for _, p := range t.parts {
		if p.source != "" && (p.program == nil || !p.program.Constant()) {
			return nil, false
		}
	}
	v, ok, err := t.Eval(Input{})
	return v, ok && err == nil
}

// Eval returns the value of t: that of its expression, of any type, where t is
// nothing but one {{ }}, else a text. ok is false where an expression is absent.
// The value may share memory with the frame.
func (t Template) Eval(in Input) (v any, ok bool, err error) {
	if len(t.parts) == 1 && t.parts[0].source != "" {
		return t.parts[0].eval(in)
	}
	return t.text(in)
}

// Text is Eval for where only a text will do.
func (t Template) Text(in Input) (text string, ok bool, err error) {
	v, ok, err := t.text(in)
	if !ok || err != nil {
		return "", false, err
	}
	return v.(string), true, nil
}

// text returns its result as an any, which keeps that of a bare literal from
// being made anew for each frame.
func (t Template) text(in Input) (any, bool, error) {
	if len(t.parts) == 0 {
		return "", true, nil
	}
	if len(t.parts) == 1 && t.parts[0].source == "" {
		return t.parts[0].literal, true, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.source == "" {
			b.WriteString(p.literal)
			continue
		}
		v, ok, err := p.eval(in)
		if !ok || err != nil {
			return nil, false, err
		}
		s, err := format(v)
		if err != nil {
			return nil, false, fmt.Errorf("{{ %s }}: %w", shorten(p.source), err)
		}
		b.WriteString(s)
	}
	if b.Len() > maxText {
		return nil, false, fmt.Errorf("%s: the text is longer than 1 MiB", shorten(t.source))
	}
	return b.String(), true, nil
}

func (p *part) eval(in Input) (any, bool, error) {
	if p.program == nil {
		return nil, false, fmt.Errorf("{{ %s }}: was not checked", shorten(p.source))
	}
	v, ok, err := p.program.Eval(in)
	if s, isText := v.(string); isText && len(s) > maxText {
		return nil, false, fmt.Errorf("{{ %s }}: the text is longer than 1 MiB", shorten(p.source))
	}
	return v, ok, err
}

// format writes a value into a text: numbers without an exponent, lists and
// maps as JSON.
func format(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	case fmt.Stringer:
		return v.String(), nil
	}
	j, err := json.Marshal(v)
	if err != nil {
		return "", errors.New("cannot be written as text")
	}
	return string(j), nil
}
