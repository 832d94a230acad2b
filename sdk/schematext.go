package sdk

import (
	"fmt"
	"strings"
)

// File says that the value is a reference to an uploaded file, a [FileRef].
func (v *ValueSchema) File() bool { return v.Format == uploadFormat }

// Nullable returns what a value that may be null is otherwise; false for one
// that may not.
func (v *ValueSchema) Nullable() (*ValueSchema, bool) {
	if len(v.AnyOf) != 2 {
		return v, false
	}
	for i, alternative := range v.AnyOf {
		if alternative.Type == "null" {
			return v.AnyOf[1-i], true
		}
	}
	return v, false
}

// String says in a few words which values are taken, such as "number from 0 to
// 2".
func (v *ValueSchema) String() string {
	if inner, ok := v.Nullable(); ok {
		return inner.String() + " or null"
	}
	switch {
	case len(v.AnyOf) > 0:
		return v.alternatives()
	case v.File():
		return "uploaded file"
	case len(v.Enum) > 0:
		return v.choices()
	}
	switch v.Type {
	case "integer", "number":
		return fmt.Sprint(v.Type) + v.bounds()
	case "string":
		return "text" + v.lengths()
	case "array":
		if v.Items == nil {
			return "list"
		}
		return "list of " + v.Items.String()
	case "object":
		return v.object()
	case nil:
		return "anything"
	}
	return strings.Trim(fmt.Sprint(v.Type), "[]")
}

func (v *ValueSchema) alternatives() string {
	words := make([]string, len(v.AnyOf))
	for i, a := range v.AnyOf {
		words[i] = a.String()
	}
	return strings.Join(words, " or ")
}

func (v *ValueSchema) choices() string {
	words := make([]string, len(v.Enum))
	for i, e := range v.Enum {
		words[i] = show(e)
	}
	return "one of " + strings.Join(words, ", ")
}

// object names the fields of a record, or what a dictionary holds.
func (v *ValueSchema) object() string {
	if len(v.Properties) == 0 {
		if v.Entries == nil {
			return "object"
		}
		return "object of " + v.Entries.String()
	}
	fields := v.Fields()
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = f.Name + ": " + f.Value.String()
	}
	return "object {" + strings.Join(words, ", ") + "}"
}

// bounds words the least and the most of a number.
func (v *ValueSchema) bounds() string {
	switch {
	case v.Minimum != nil && v.Maximum != nil:
		return fmt.Sprintf(" from %v to %v", *v.Minimum, *v.Maximum)
	case v.Minimum != nil:
		return fmt.Sprintf(" of at least %v", *v.Minimum)
	case v.Maximum != nil:
		return fmt.Sprintf(" of at most %v", *v.Maximum)
	}
	return ""
}

// lengths words the least and the most characters of a text.
func (v *ValueSchema) lengths() string {
	switch {
	case v.MinLength != nil && v.MaxLength != nil:
		return fmt.Sprintf(" of %d to %d characters", *v.MinLength, *v.MaxLength)
	case v.MinLength != nil:
		return fmt.Sprintf(" of at least %d characters", *v.MinLength)
	case v.MaxLength != nil:
		return fmt.Sprintf(" of at most %d characters", *v.MaxLength)
	}
	return ""
}
