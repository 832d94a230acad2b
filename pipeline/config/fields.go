package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

func (c *component) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v)
	c.entries(n, path, func(key string, keyNode, value *yaml.Node) {
		field, ok := fields[key]
		if !ok {
			key = c.unknown(n, keyNode, path, fields)
			if field, ok = fields[key]; !ok {
				return
			}
		}
		before := len(c.all)
		c.value(value, field.value, joinPath(path, key))
		if len(c.all) == before && !c.broken[target(value)] {
			c.bounded(keyNode, field, joinPath(path, key))
		}
	})
}

// bounded refuses a number that is out of its field's range.
func (c *component) bounded(at *yaml.Node, f field, path string) {
	bounds, ok := rangeOf(f.tag)
	if v := reflect.Indirect(f.value); ok && v.IsValid() && !bounds.holds(number(v)) {
		c.wrong(at, path, "must be %s, got %v", bounds, v)
	}
}

// unknown notes a key of n that is no field. One that is meant for a field which n
// does not have gets that name, so that one slip is one mistake: what the key holds
// is read, and what refers to that is right. It returns the key's name from now on.
func (c *component) unknown(n, key *yaml.Node, path string, fields map[string]field) string {
	where := joinPath(c.root, path)
	if where != "" {
		where = " in " + where
	}
	word, hint := key.Value, ""
	meant := expr.Meant(word, sortedKeys(fields))
	switch place := c.place(path, word); {
	case place != "":
		hint = ": it belongs " + place
		c.misplaced = true
	case meant != "":
		hint = fmt.Sprintf(", did you mean %q?", meant)
		if !has(n, meant) {
			key.Value = meant
		}
	case 0 < len(fields) && len(fields) <= 16:
		hint = "; there are " + and(sortedKeys(fields))
	}
	c.add(key, c.about, "unknown field %q%s%s", shorten(word), where, hint)
	return key.Value
}

// place says where an unknown key would be right, "" for nowhere.
func (c *component) place(path, key string) string {
	if path != "" || c.elsewhere == nil {
		return ""
	}
	return c.elsewhere(key)
}

// unknownFirst is unknown for those keys of n that are meant for one of names,
// which are looked at before the others.
func (c *component) unknownFirst(n *yaml.Node, fields map[string]field, names ...string) {
	for _, p := range pairs(n) {
		_, known := fields[p.key.Value]
		if !known && slices.Contains(names, expr.Meant(p.key.Value, sortedKeys(fields))) {
			c.unknown(n, p.key, "", fields)
		}
	}
}

// field is one field of a struct.
type field struct {
	value reflect.Value
	tag   reflect.StructTag
}

// fieldsOf returns a struct's fields by the keys that a file has for them.
func fieldsOf(v reflect.Value) map[string]field {
	fields := make(map[string]field)
	for i := range v.NumField() {
		key, inline, ok := fieldKey(v.Type().Field(i))
		switch {
		case inline:
			maps.Copy(fields, fieldsOf(v.Field(i)))
		case ok:
			fields[key] = field{v.Field(i), v.Type().Field(i).Tag}
		}
	}
	return fields
}

// fieldKey returns the key that a file has for a field of a struct, if any, or
// that the fields of the field belong to the struct itself.
func fieldKey(f reflect.StructField) (key string, inline, ok bool) {
	key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case strings.Contains(options, "inline"):
		return "", true, false
	case key == "-" || !f.IsExported():
		return "", false, false
	case key == "":
		key = strings.ToLower(f.Name)
	}
	return key, false, true
}

// hasField says whether a configuration has a key.
func hasField(config any, key string) bool {
	v := reflect.Indirect(reflect.ValueOf(config))
	if v.Kind() != reflect.Struct {
		return false
	}
	_, ok := fieldsOf(v)[key]
	return ok
}
