package expr

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/vm/runtime"
)

// maxText is the most that one text in an expression or template may grow to: a
// whole command or path is far smaller.
const maxText = 1 << 20

func anyType() reflect.Type { return reflect.TypeFor[any]() }

// addFunctions adds those that the rewriter calls.
func addFunctions(config *conf.Config) {
	for _, f := range []*builtin.Function{
		{Name: "$member", Func: member, Validate: memberType},
		{Name: "$maybemember", Func: maybeMember, Validate: memberType},
		{Name: "$mark", Func: mark, Types: []reflect.Type{reflect.TypeFor[func(any) bool]()}},
		{Name: "$catch", Func: catch, Validate: func(args []reflect.Type) (reflect.Type, error) { return args[2], nil }},
		{Name: "$divide", Func: divide, Types: []reflect.Type{reflect.TypeFor[func(any, any) float64]()}},
		{Name: "$add", Func: add, Validate: addType},
	} {
		config.Functions[f.Name] = f
	}
}

// member is base[key], absent where there is no such key.
func member(args ...any) (any, error) {
	s := args[0].(*state)
	if s.absent {
		return zeroMember(args[1]), nil
	}
	v, ok, err := lookup(args[1], args[2])
	if err == nil && !ok {
		s.absent = true
		return zeroMember(args[1]), nil
	}
	return v, err
}

// maybeMember is base?.key, nil where there is no such key.
func maybeMember(args ...any) (any, error) {
	v, ok, err := lookup(args[1], args[2])
	if !ok {
		v = nil
	}
	return v, err
}

// lookup fetches the usual maps and lists itself and leaves the rest to
// expr-lang. Positions outside a list are mistakes, keys outside a map are not.
func lookup(base, key any) (v any, ok bool, err error) {
	if base == nil {
		return nil, false, nil
	}
	switch m := base.(type) {
	case map[string]any:
		k, isText := key.(string)
		if !isText {
			return nil, false, fmt.Errorf("a map is read by text, got %s", word(key))
		}
		v, ok = m[k]
		return v, ok, nil
	case map[string]float64:
		if k, isText := key.(string); isText {
			v, ok := m[k]
			return v, ok, nil
		}
	}
	return lookupAny(reflect.ValueOf(base), key)
}

func lookupAny(base reflect.Value, key any) (v any, ok bool, err error) {
	for base.Kind() == reflect.Pointer && !base.IsNil() {
		base = base.Elem()
	}
	switch base.Kind() {
	case reflect.Map:
		k := reflect.ValueOf(key)
		if !k.IsValid() || !k.CanConvert(base.Type().Key()) {
			return nil, false, fmt.Errorf("a map has no key %s", word(key))
		}
		if e := base.MapIndex(k.Convert(base.Type().Key())); e.IsValid() {
			return e.Interface(), true, nil
		}
		return nil, false, nil
	case reflect.Slice, reflect.Array:
		return element(base, key)
	case reflect.Struct, reflect.String:
		return runtime.Fetch(base.Interface(), key), true, nil
	default:
		return nil, false, fmt.Errorf("%s has no %v", word(base.Interface()), key)
	}
}

// element is list[i]; negative positions count from the end.
func element(list reflect.Value, key any) (any, bool, error) {
	if !isInteger(reflect.TypeOf(key)) {
		return nil, false, fmt.Errorf("a list is read by position, got %s", word(key))
	}
	i, n := runtime.ToInt(key), list.Len()
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return nil, false, fmt.Errorf("position %v is outside a list of %d", key, n)
	}
	return list.Index(i).Interface(), true, nil
}

// zeroMember keeps an evaluation going that is absent already: its result is
// thrown away, or replaced by ??.
func zeroMember(base any) any {
	t := reflect.TypeOf(base)
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Array:
		return reflect.Zero(t.Elem()).Interface()
	default:
		return nil
	}
}

func memberType(args []reflect.Type) (reflect.Type, error) {
	base, key := args[1], args[2]
	switch base.Kind() {
	case reflect.Map:
		if key.Kind() != reflect.Interface && !key.AssignableTo(base.Key()) {
			return nil, fmt.Errorf("a map is read by %s, got %s", base.Key(), key)
		}
		return base.Elem(), nil
	case reflect.Slice, reflect.Array:
		if key.Kind() != reflect.Interface && !isInteger(key) {
			return nil, fmt.Errorf("a list is read by position, got %s", key)
		}
		return base.Elem(), nil
	default:
		return anyType(), nil
	}
}

func isInteger(t reflect.Type) bool {
	return t != nil && (reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64)
}

// mark returns whether something was absent so far, and starts anew.
func mark(args ...any) (any, error) {
	s := args[0].(*state)
	before := s.absent
	s.absent = false
	return before, nil
}

// catch is the left side of ??: nil where it touched something absent since the
// mark.
func catch(args ...any) (any, error) {
	s := args[0].(*state)
	missed := s.absent
	s.absent = args[1].(bool)
	if missed {
		return nil, nil
	}
	return args[2], nil
}

// divide refuses what would be infinite.
func divide(args ...any) (any, error) {
	if runtime.ToFloat64(args[1]) == 0 {
		return nil, errors.New("division by zero")
	}
	return runtime.Divide(args[0], args[1]), nil
}

// add bounds texts, which a loop could double with every turn.
func add(args ...any) (any, error) {
	a, isText := args[0].(string)
	b, areTexts := args[1].(string)
	if isText && areTexts && len(a)+len(b) > maxText {
		return nil, errors.New("a text grows beyond 1 MiB")
	}
	return runtime.Add(args[0], args[1]), nil
}

func addType(args []reflect.Type) (reflect.Type, error) {
	if args[0].Kind() == reflect.String && args[1].Kind() == reflect.String {
		return args[0], nil
	}
	return anyType(), nil
}

// word says what a value is.
func word(v any) string {
	if v == nil {
		return "nil"
	}
	return plain(reflect.TypeOf(v).String())
}
