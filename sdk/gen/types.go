package gen

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// typer names the Go types of values, and collects those to be declared.
type typer struct {
	names   names // of the package
	enums   []enum
	records []record
	err     error // of a name that cannot be written
}

// enum is a closed set of texts.
type enum struct {
	name   string
	values []string
	consts []string // their names
}

// record is an object with named fields.
type record struct {
	name   string
	about  string // what it is a part of
	fields []field
}

type field struct {
	name, typ, tag, doc string
}

// goType returns the type of a value, declaring what it needs. owner and name
// say where it stands; sent, that it goes to the model, so that what is absent
// must be told from what is zero.
func (t *typer) goType(v *sdk.ValueSchema, owner, name string, sent bool) string {
	if inner, ok := v.Nullable(); ok {
		return pointer(t.goType(inner, owner, name, sent))
	}
	switch {
	case v.File():
		return "sdk.FileRef"
	case len(v.Enum) > 0:
		return t.enumType(v, owner, name)
	}
	switch v.Type {
	case "integer":
		return "int"
	case "number":
		return "float64"
	case "boolean":
		return "bool"
	case "string":
		return "string"
	case "array":
		if v.Items == nil {
			return "[]any"
		}
		return "[]" + t.goType(v.Items, owner, name, sent)
	case "object":
		return t.object(v, owner, name, sent)
	}
	return "any"
}

// pointer is the type of something that may be missing.
func pointer(typ string) string {
	if typ == "any" || strings.HasPrefix(typ, "[]") || strings.HasPrefix(typ, "map[") || strings.HasPrefix(typ, "*") {
		return typ
	}
	return "*" + typ
}

func (t *typer) object(v *sdk.ValueSchema, owner, name string, sent bool) string {
	if len(v.Properties) == 0 {
		if v.Entries == nil {
			return "map[string]any"
		}
		return "map[string]" + t.goType(v.Entries, owner, name, sent)
	}
	r := record{name: t.names.take(owner + exported(name)), about: fmt.Sprintf("is %s of %s", name, owner)}
	r.fields = t.fields(v.Fields(), r.name, sent)
	t.records = append(t.records, r)
	return r.name
}

// fields are those of a message or record.
func (t *typer) fields(args []sdk.ArgSchema, owner string, sent bool) []field {
	inside := names{}
	var out []field
	for _, a := range args {
		if strings.ContainsFunc(a.Name, untaggable) {
			t.err = fmt.Errorf("model schema: %s: a field named %q cannot be written in Go", owner, a.Name)
		}
		f := field{name: inside.take(exported(a.Name)), typ: t.goType(a.Value, owner, a.Name, sent), tag: a.Name, doc: beyond(a)}
		if sent && !a.Required {
			f.typ, f.tag = pointer(f.typ), a.Name+",omitempty"
		}
		out = append(out, f)
	}
	return out
}

// untaggable are the characters that the tag of a field cannot hold.
func untaggable(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
}

// enumType is a type of its own for texts. The same texts under the same name
// are the same type, wherever they stand.
func (t *typer) enumType(v *sdk.ValueSchema, owner, name string) string {
	values := make([]string, len(v.Enum))
	for i, e := range v.Enum {
		s, ok := e.(string)
		if !ok {
			return plain(v.Enum)
		}
		values[i] = s
	}
	short, long := exported(name), owner+exported(name)
	for _, e := range t.enums {
		if (e.name == short || e.name == long) && slices.Equal(e.values, values) {
			return e.name
		}
	}
	e := enum{name: t.names.take(short, long), values: values}
	for i, value := range values {
		word := pascal(value)
		if word == "" {
			word = fmt.Sprint("Value", i+1)
		}
		e.consts = append(e.consts, t.names.take(e.name+word))
	}
	t.enums = append(t.enums, e)
	return e.name
}

// plain is the type of a closed set that is not of texts.
func plain(values []any) string {
	typ := ""
	for _, v := range values {
		next := "any"
		switch v := v.(type) {
		case float64:
			next = "float64"
			if v == float64(int(v)) && typ != "float64" {
				next = "int"
			}
		case bool:
			next = "bool"
		}
		if typ != "" && typ != next && (typ != "int" || next != "float64") {
			return "any"
		}
		typ = next
	}
	return typ
}
