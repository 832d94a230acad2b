package sessiontest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Codes of refusals that the runtime makes itself.
const (
	codeInvalid    = "invalid_command"
	codeUnresolved = "unresolved_upload"
	codeInternal   = "internal_error"
)

// breach is what is wrong with one argument. The reason of a broken constraint
// names the argument.
type breach struct{ arg, reason string }

// String names the argument in any case.
func (b *breach) String() string {
	if strings.HasPrefix(b.reason, b.arg+": ") {
		return b.reason
	}
	return b.arg + ": " + b.reason
}

// check finds a command and compares the arguments with its declaration. The
// command is empty if there is none of that name.
func (m Model) check(name string, args map[string]any) (Command, map[string]any, *breach) {
	cmd, ok := m.command(name)
	if !ok {
		return cmd, nil, &breach{name, textUnknownCommand}
	}
	checked, b := cmd.check(args)
	return cmd, checked, b
}

// check compares a command's arguments with its declaration, in the runtime's
// order and words, and returns them with the defaults filled in.
func (c Command) check(args map[string]any) (map[string]any, *breach) {
	checked := maps.Clone(args)
	if checked == nil {
		checked = map[string]any{}
	}
	if b := c.breach(args, checked); b.reason != "" {
		return nil, &b
	}
	return checked, nil
}

// breach answers the first thing that is wrong, if any.
func (c Command) breach(args, checked map[string]any) breach {
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !c.Open && !slices.ContainsFunc(c.Args, func(a Arg) bool { return a.Name == name }) {
			return breach{name, "unexpected argument"}
		}
	}
	for _, a := range c.Args {
		v, given := args[a.Name]
		switch {
		case given && !c.Open:
			if reason := a.refusal(a.Name, v); reason != "" {
				return breach{a.Name, reason}
			}
		case given || c.Open:
		case a.required():
			return breach{a.Name, "missing required argument"}
		case a.Default != nil || a.Nullable:
			checked[a.Name] = a.Default
		}
	}
	return breach{}
}

// refusal answers what is wrong with a value of the type, "" if nothing is. A
// type's refusal is bare, a constraint's names the argument.
func (t Type) refusal(name string, v any) string {
	if v == nil && t.Nullable {
		return ""
	}
	if t.json == uploadType {
		return uploadRefusal(v)
	}
	if !t.accepts(v) {
		return fmt.Sprintf("expected %s, got %s", t.json, typeName(v))
	}
	if len(t.OneOf) > 0 && !contains(t.OneOf, v) {
		if t.Class != "" {
			return fmt.Sprintf("%s not a valid %s", repr(v), t.Class)
		}
		return fmt.Sprintf("%s not one of %s", repr(v), repr(t.OneOf))
	}
	switch v := v.(type) {
	case []any:
		return t.itemsRefusal(v)
	case map[string]any:
		return t.objectRefusal(v)
	}
	if reason := t.constraintRefusal(v); reason != "" {
		return name + ": " + reason
	}
	return ""
}

func (t Type) accepts(v any) bool {
	switch t.json {
	case integerType:
		f, ok := asFloat(v)
		return ok && f == math.Trunc(f) && !math.IsInf(f, 0)
	case numberType:
		_, ok := asFloat(v)
		return ok
	case stringType:
		_, ok := v.(string)
		return ok
	case booleanType:
		_, ok := v.(bool)
		return ok
	case arrayType:
		_, ok := v.([]any)
		return ok
	case objectType:
		_, ok := v.(map[string]any)
		return ok
	case anyType, uploadType:
	}
	return true
}

func uploadRefusal(v any) string {
	if ref, ok := v.(map[string]any); ok {
		if _, ok := ref["upload_id"].(string); ok {
			return ""
		}
	}
	return "expected an upload reference with a string 'upload_id'"
}

func (t Type) itemsRefusal(items []any) string {
	if t.Items == nil {
		return ""
	}
	for i, e := range items {
		if reason := t.Items.refusal("", e); reason != "" {
			return fmt.Sprintf("[%d]: %s", i, bare(reason))
		}
	}
	return ""
}

func (t Type) objectRefusal(object map[string]any) string {
	for _, f := range t.Fields {
		v, given := object[f.Name]
		if !given {
			if f.required() {
				return fmt.Sprintf("missing required field '%s'", f.Name)
			}
			continue
		}
		if reason := f.refusal("", v); reason != "" {
			return f.Name + ": " + bare(reason)
		}
	}
	if t.Values == nil {
		return ""
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		if reason := t.Values.refusal("", object[k]); reason != "" {
			return fmt.Sprintf("[%s]: %s", reprString(k), bare(reason))
		}
	}
	return ""
}

// bare takes the name, which an element has none of, off a constraint's refusal.
func bare(reason string) string {
	if len(reason) > 1 && reason[:2] == ": " {
		return reason[2:]
	}
	return reason
}

func (t Type) constraintRefusal(v any) string {
	if len(t.Choices) > 0 && !contains(t.Choices, v) {
		return fmt.Sprintf("%s not in choices %s", repr(v), repr(t.Choices))
	}
	switch v := v.(type) {
	case float64, int:
		f, _ := asFloat(v)
		switch {
		case t.Min != nil && f < *t.Min:
			return fmt.Sprintf("%s < ge(%s)", repr(v), t.bound(*t.Min))
		case t.Max != nil && f > *t.Max:
			return fmt.Sprintf("%s > le(%s)", repr(v), t.bound(*t.Max))
		}
	case string:
		n := utf8.RuneCountInString(v)
		switch {
		case n < t.MinLength:
			return fmt.Sprintf("length %d < min_length(%d)", n, t.MinLength)
		case t.MaxLength > 0 && n > t.MaxLength:
			return fmt.Sprintf("length %d > max_length(%d)", n, t.MaxLength)
		}
	}
	return ""
}

// bound writes a bound as an author writes it: whole for integers.
func (t Type) bound(f float64) string {
	if t.json == integerType {
		return repr(int(f))
	}
	return repr(f)
}

// contains compares as Python does: 1 and 1.0 are equal.
func contains(set []any, v any) bool {
	return slices.ContainsFunc(set, func(e any) bool {
		x, xok := asFloat(e)
		y, yok := asFloat(v)
		if xok || yok {
			return xok && yok && x == y
		}
		switch e.(type) {
		case string, bool, nil:
			return e == v
		}
		return false
	})
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}
