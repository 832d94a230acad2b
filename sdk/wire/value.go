package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
)

// maxDepth bounds the nesting of values, so that one that contains itself is an
// error and not the end of the process.
const maxDepth = 200

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// NewStruct converts an object to its wire form. All numbers become doubles, NaN
// and the infinities become null; values of other types than JSON's go through
// encoding/json. A nil map gives an empty Struct.
func NewStruct(m map[string]any) (*structpb.Struct, error) {
	return newStruct(m, maxDepth)
}

// NewValue is [NewStruct] for a single value.
func NewValue(v any) (*structpb.Value, error) {
	return newValue(v, maxDepth)
}

// Map converts a Struct back. An absent Struct gives a nil map; a Value of no
// kind, NaN and the infinities give nil.
func Map(s *structpb.Struct) map[string]any {
	if s == nil {
		return nil
	}
	m := make(map[string]any, len(s.GetFields()))
	for k, v := range s.GetFields() {
		m[k] = Value(v)
	}
	return m
}

// Value is [Map] for a single value: nil, bool, float64, string, []any or
// map[string]any.
func Value(v *structpb.Value) any {
	switch k := v.GetKind().(type) {
	case *structpb.Value_NumberValue:
		if !finite(k.NumberValue) {
			return nil
		}
		return k.NumberValue
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_BoolValue:
		return k.BoolValue
	case *structpb.Value_StructValue:
		return Map(k.StructValue)
	case *structpb.Value_ListValue:
		list := make([]any, len(k.ListValue.GetValues()))
		for i, e := range k.ListValue.GetValues() {
			list[i] = Value(e)
		}
		return list
	}
	return nil
}

func newStruct(m map[string]any, depth int) (*structpb.Struct, error) {
	if depth == 0 {
		return nil, errDepth
	}
	s := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(m))}
	for k, e := range m {
		if !utf8.ValidString(k) {
			return nil, fmt.Errorf("key %q: not valid UTF-8", k)
		}
		v, err := newValue(e, depth-1)
		if err != nil {
			return nil, within(k, err)
		}
		s.Fields[k] = v
	}
	return s, nil
}

func newList(list []any, depth int) (*structpb.Value, error) {
	l := &structpb.ListValue{Values: make([]*structpb.Value, len(list))}
	for i, e := range list {
		v, err := newValue(e, depth-1)
		if err != nil {
			return nil, within(fmt.Sprintf("[%d]", i), err)
		}
		l.Values[i] = v
	}
	return structpb.NewListValue(l), nil
}

// within says where an error is, but not once per level of a bottomless value.
func within(where string, err error) error {
	if errors.Is(err, errDepth) {
		return err
	}
	return fmt.Errorf("%s: %w", where, err)
}

func newValue(v any, depth int) (*structpb.Value, error) {
	if depth <= 0 {
		return nil, errDepth
	}
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(v), nil
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("%q: not valid UTF-8", v)
		}
		return structpb.NewStringValue(v), nil
	case float64:
		return number(v), nil
	case float32:
		return number(float64(v)), nil
	case int:
		return number(float64(v)), nil
	case int64:
		return number(float64(v)), nil
	case uint64:
		return number(float64(v)), nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, err
		}
		return number(f), nil
	case map[string]any:
		s, err := newStruct(v, depth)
		if err != nil {
			return nil, err
		}
		return structpb.NewStructValue(s), nil
	case []any:
		return newList(v, depth)
	case *structpb.Value:
		return v, nil
	}
	plain, err := throughJSON(v)
	if err != nil {
		return nil, err
	}
	return newValue(plain, depth)
}

// throughJSON reduces a value of any Go type to JSON's types.
func throughJSON(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&plain); err != nil {
		return nil, err
	}
	return plain, nil
}

func number(f float64) *structpb.Value {
	if !finite(f) {
		return structpb.NewNullValue()
	}
	return structpb.NewNumberValue(f)
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
