package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Value is any YAML value. Its texts are templates: what stands between {{ and
// }} in them is computed, all else is literal. A map in it that is {file: path},
// or {frame: true} or {frame: crop(…)} with perhaps a format and a quality,
// is uploaded; the outermost map is none of these.
//
// The zero value is nil. Copies share what Check compiles.
type Value struct {
	// root is a scalar, a Template, a *fileUpload, a *stillUpload, or a []any or
	// map[string]any of such.
	root any
}

// NewValue returns a value made of maps, lists and scalars, its texts read as
// templates.
func NewValue(raw any) (Value, error) {
	if arguments, ok := raw.(map[string]any); ok {
		// Here `file` and `frame` are names like any other.
		root, err := parseEntries(arguments)
		return Value{root: root}, err
	}
	root, err := parseValue(raw)
	return Value{root: root}, err
}

// UnmarshalYAML reads a value.
func (v *Value) UnmarshalYAML(decode func(any) error) error {
	var raw any
	if err := decode(&raw); err != nil {
		return err
	}
	parsed, err := NewValue(raw)
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}

func parseValue(raw any) (any, error) {
	switch raw := raw.(type) {
	case string:
		return ParseTemplate(raw)
	case []any:
		return parseList(raw)
	case map[string]any:
		return parseMap(raw)
	default:
		return raw, nil
	}
}

func parseList(raw []any) (any, error) {
	list := make([]any, len(raw))
	var errs []error
	for i, e := range raw {
		v, err := parseValue(e)
		list[i], errs = v, append(errs, Under(position(i), err))
	}
	return list, errors.Join(errs...)
}

func parseMap(raw map[string]any) (any, error) {
	if isUpload(raw) {
		return parseUpload(raw)
	}
	return parseEntries(raw)
}

func parseEntries(raw map[string]any) (any, error) {
	m := make(map[string]any, len(raw))
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		v, err := parseValue(raw[key])
		m[key], errs = v, append(errs, Under(key, err))
	}
	return m, errors.Join(errs...)
}

// Check compiles the expressions in v for a node. Each message begins with the
// path of the text within v.
func (v Value) Check(scope *Scope) error { return check(v.root, scope) }

func check(node any, scope *Scope) error {
	var errs []error
	switch n := node.(type) {
	case Template:
		return n.Check(scope)
	case *fileUpload:
		return Under("file", n.check(scope))
	case *stillUpload:
		return n.check(scope)
	case []any:
		for i, e := range n {
			errs = append(errs, Under(position(i), check(e, scope)))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			errs = append(errs, Under(key, check(n[key], scope)))
		}
	}
	return errors.Join(errs...)
}

// Eval returns v with its templates computed: map[string]any, []any and
// scalars. ok is false where one of them is absent.
func (v Value) Eval(in Input) (any, bool, error) { return eval(v.root, in) }

func eval(node any, in Input) (any, bool, error) {
	switch n := node.(type) {
	case Template:
		return n.Eval(in)
	case *fileUpload:
		u, ok, err := n.eval(in)
		return u, ok, Under("file", err)
	case *stillUpload:
		u, ok, err := n.eval(in)
		return u, ok, Under("frame", err)
	case []any:
		list := make([]any, len(n))
		for i, e := range n {
			v, ok, err := eval(e, in)
			if !ok || err != nil {
				return nil, false, Under(position(i), err)
			}
			list[i] = v
		}
		return list, true, nil
	case map[string]any:
		m := make(map[string]any, len(n))
		for key, e := range n {
			v, ok, err := eval(e, in)
			if !ok || err != nil {
				return nil, false, Under(key, err)
			}
			m[key] = v
		}
		return m, true, nil
	default:
		return n, true, nil
	}
}

// Consts returns v with [pipeline.Computed] in place of what is only known once
// there is a frame, and a [pipeline.Upload] without content in place of a picture
// that is made then. It is meant for after Check.
func (v Value) Consts() any { return consts(v.root) }

func consts(node any) any {
	switch n := node.(type) {
	case Template:
		if c, ok := n.Const(); ok {
			return c
		}
		return pipeline.Computed{}
	case *fileUpload:
		u, _, _ := n.eval(Input{}) // where its path is computed, a file all the same
		return u
	case *stillUpload:
		return n.still.Upload(nil)
	case []any:
		list := make([]any, len(n))
		for i, e := range n {
			list[i] = consts(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(n))
		for key, e := range n {
			m[key] = consts(e)
		}
		return m
	default:
		return n
	}
}

// Const returns the value of a v that computes nothing; false for all others.
// It is meant for after Check.
func (v Value) Const() (any, bool) {
	if computes(v.root) {
		return nil, false
	}
	return v.Consts(), true
}

func computes(node any) bool {
	switch n := node.(type) {
	case Template:
		_, constant := n.Const()
		return !constant
	case *fileUpload:
		return computes(n.path)
	case *stillUpload:
		return true
	case []any:
		return slices.ContainsFunc(n, computes)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(n)), computes)
	}
	return false
}

// Stills says that v makes pictures of frames, whose pixels it reads.
func (v Value) Stills() bool { return stills(v.root) }

func stills(node any) bool {
	switch n := node.(type) {
	case *stillUpload:
		return true
	case []any:
		return slices.ContainsFunc(n, stills)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(n)), stills)
	}
	return false
}

// Number returns a value of a file or a message as a number, if it is one.
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Under says that err, or each error joined in it, lies within a field: its
// message then begins with the dotted path.
func Under(field string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs := make([]error, 0, len(joined.Unwrap()))
		for _, e := range joined.Unwrap() {
			errs = append(errs, Under(field, e))
		}
		return errors.Join(errs...)
	}
	if within, ok := errors.AsType[*fieldError](err); ok {
		return &fieldError{joinPath(field, within.path), within.err}
	}
	return &fieldError{field, err}
}

// fieldError is a mistake somewhere below a field.
type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string { return e.path + ": " + e.err.Error() }

func (e *fieldError) Unwrap() error { return e.err }

func joinPath(outer, inner string) string {
	if strings.HasPrefix(inner, "[") {
		return outer + inner
	}
	return outer + "." + inner
}

func position(i int) string { return fmt.Sprintf("[%d]", i) }
