package sessiontest

import "strings"

// jsonType is the JSON type of a value, in the words of the protocol.
type jsonType string

// The types of values. The zero jsonType accepts anything.
const (
	anyType     jsonType = ""
	integerType jsonType = "integer"
	numberType  jsonType = "number"
	stringType  jsonType = "string"
	booleanType jsonType = "boolean"
	arrayType   jsonType = "array"
	objectType  jsonType = "object"
	uploadType  jsonType = "upload"
)

// Type is the type of an argument or field with its constraints. The zero Type
// accepts anything. Start from one of the functions of this file.
type Type struct {
	json jsonType
	// OneOf is a closed set of values (a literal type); Choices the same as a
	// constraint, which is refused in other words.
	OneOf, Choices []any
	// Class names the enumeration that OneOf are the values of.
	Class                string
	Min, Max             *float64
	MinLength, MaxLength int   // in characters; 0 for no bound
	Items                *Type // of an array; nil for any
	Values               *Type // of an object with free keys
	Fields               []Arg // of a record
	Nullable             bool  // null is a value too
}

// Any accepts every value.
func Any() Type { return Type{} }

// Integer accepts whole numbers, as doubles too.
func Integer() Type { return Type{json: integerType} }

// Number accepts integers too, but no booleans.
func Number() Type { return Type{json: numberType} }

// String accepts text of any length.
func String() Type { return Type{json: stringType} }

// Boolean accepts true and false.
func Boolean() Type { return Type{json: booleanType} }

// File accepts the reference of an upload; the handler gets an *[Upload].
func File() Type { return Type{json: uploadType} }

// List accepts arrays of items.
func List(items Type) Type { return Type{json: arrayType, Items: &items} }

// Dict accepts objects with keys of any name.
func Dict(values Type) Type { return Type{json: objectType, Values: &values} }

// Record accepts objects with these fields.
func Record(fields ...Arg) Type { return Type{json: objectType, Fields: fields} }

// OneOf accepts these strings only.
func OneOf(values ...string) Type {
	t := Type{json: stringType}
	for _, v := range values {
		t.OneOf = append(t.OneOf, v)
	}
	return t
}

// Between bounds a number, the bounds included.
func (t Type) Between(low, high float64) Type {
	t.Min, t.Max = &low, &high
	return t
}

// AtLeast bounds a number from below.
func (t Type) AtLeast(low float64) Type {
	t.Min = &low
	return t
}

// AtMost bounds a number from above.
func (t Type) AtMost(high float64) Type {
	t.Max = &high
	return t
}

// Length bounds a string; 0 is no bound.
func (t Type) Length(least, most int) Type {
	t.MinLength, t.MaxLength = least, most
	return t
}

// OrNull accepts null too.
func (t Type) OrNull() Type {
	t.Nullable = true
	return t
}

// Accepts says whether v, as [Call.Args] has it, is a value of the type.
func (t Type) Accepts(v any) bool { return t.refusal("", v) == "" }

// Plain is the plainest value of the type: null where that is one, the first of
// several that are listed, the number nearest to 0, a text no longer than it must
// be, what is empty otherwise.
func (t Type) Plain() any {
	switch {
	case t.Nullable:
		return nil
	case len(t.OneOf) > 0:
		return t.OneOf[0]
	case len(t.Choices) > 0:
		return t.Choices[0]
	}
	switch t.json {
	case integerType, numberType:
		return t.nearestToZero()
	case stringType:
		return strings.Repeat("x", t.MinLength)
	case booleanType:
		return false
	case arrayType:
		return []any{}
	case objectType:
		record := map[string]any{}
		for _, f := range t.Fields {
			if f.required() {
				record[f.Name] = f.Plain()
			}
		}
		return record
	case anyType, uploadType:
	}
	return nil
}

func (t Type) nearestToZero() float64 {
	switch {
	case t.Min != nil && *t.Min > 0:
		return *t.Min
	case t.Max != nil && *t.Max < 0:
		return *t.Max
	}
	return 0
}
