package config

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

func (c *component) kind(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Interface:
	default:
		if isNull(n) && !c.isExpanded(n) {
			c.wrong(n, path, "has no value")
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		c.structure(n, v, path)
	case reflect.Map:
		c.mapping(n, v, path)
	case reflect.Slice, reflect.Array:
		c.list(n, v, path)
	case reflect.Interface:
		if x := c.anything(n, path); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	case reflect.String:
		if text, ok := c.text(n, path); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		c.boolean(n, v, path)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		c.integer(n, v, path)
	case reflect.Float32, reflect.Float64:
		c.float(n, v, path)
	default:
		panic(fmt.Sprintf("config: cannot read a %s", v.Type())) // a mistake in a Config struct
	}
}

// entries calls each for the entries of a map, once for each key.
func (c *component) entries(n *yaml.Node, path string, each func(key string, keyNode, value *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		c.wrong(n, path, "must be a map (key: value), got %s", got(n))
		return
	}
	c.merges(n, path)
	seen := make(map[string]int)
	for _, p := range pairs(n) {
		key := target(p.key)
		if key.Kind != yaml.ScalarNode {
			what := got(key)
			if key.Kind == yaml.MappingNode {
				what = "{{ without quotes around the text"
			}
			c.wrong(p.key, path, "a key must be text, got %s", what)
			continue
		}
		if line, again := seen[key.Value]; again {
			c.wrong(p.key, joinPath(path, shorten(key.Value)), "is set already on line %d", line)
			continue
		}
		seen[key.Value] = p.key.Line
		each(key.Value, p.key, p.value)
	}
}

// merges refuses what << cannot take in.
func (c *component) merges(n *yaml.Node, path string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := []*yaml.Node{target(n.Content[i+1])}
		if from[0].Kind == yaml.SequenceNode {
			from = from[0].Content
		}
		for _, m := range from {
			if target(m).Kind != yaml.MappingNode {
				c.wrong(n.Content[i], joinPath(path, "<<"), "must be a map or a list of maps, got %s", got(target(m)))
			}
		}
	}
}

func (c *component) mapping(n *yaml.Node, v reflect.Value, path string) {
	filled := reflect.MakeMap(v.Type())
	if v.Len() > 0 {
		for _, k := range v.MapKeys() {
			filled.SetMapIndex(k, v.MapIndex(k))
		}
	}
	c.entries(n, path, func(key string, keyNode, value *yaml.Node) {
		k := reflect.New(v.Type().Key()).Elem()
		c.value(keyNode, k, path)
		e := reflect.New(v.Type().Elem()).Elem()
		c.value(value, e, joinPath(path, key))
		filled.SetMapIndex(k, e)
	})
	v.Set(filled)
}

func (c *component) list(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			hint = fmt.Sprintf(" such as [%s]", shorten(n.Value))
		}
		c.wrong(n, path, "must be a list%s, got %s", hint, got(n))
		return
	}
	if v.Kind() == reflect.Array && len(n.Content) != v.Len() {
		c.wrong(n, path, "must be a list of %d, got %d", v.Len(), len(n.Content))
		return
	}
	filled := v
	if v.Kind() == reflect.Slice {
		filled = reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	}
	for i, e := range n.Content {
		c.value(e, filled.Index(i), item(path, i))
	}
	v.Set(filled)
}

// text returns a scalar as it is written.
func (c *component) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		c.wrong(n, path, "must be text, got %s", got(n))
		return "", false
	}
	if isNull(n) && !c.isExpanded(n) {
		c.wrong(n, path, "has no value")
		return "", false
	}
	return c.written(n), true
}

// written returns a text, as a template has to see it where it is for one.
func (c *component) written(n *yaml.Node) string {
	if e, ok := c.expanded[n]; ok && c.inTemplate {
		return e.literal
	}
	return n.Value
}

func (c *component) boolean(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || (n.Value != "true" && n.Value != "false") {
		c.wrong(n, path, "must be true or false, got %s", got(n))
		return
	}
	v.SetBool(n.Value == "true")
}

func (c *component) integer(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		c.wrong(n, path, "must be a whole number, got %s", got(n))
		return
	}
	into := reflect.New(v.Type())
	if n.Decode(into.Interface()) != nil {
		if v.CanUint() && strings.HasPrefix(n.Value, "-") {
			c.wrong(n, path, "must not be negative, got %s", got(n))
			return
		}
		c.wrong(n, path, "must be a smaller number, got %s", got(n))
		return
	}
	v.Set(into.Elem())
}

func (c *component) float(n *yaml.Node, v reflect.Value, path string) {
	tag := n.ShortTag()
	var f float64
	if tag != "!!int" && tag != "!!float" || n.Decode(&f) != nil ||
		math.IsNaN(f) || math.IsInf(f, 0) || v.OverflowFloat(f) {
		c.wrong(n, path, "must be a number, got %s", got(n))
		return
	}
	v.SetFloat(f)
}

// anything returns maps, lists and scalars as JSON has them, dates as text.
func (c *component) anything(n *yaml.Node, path string) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		c.entries(n, path, func(key string, _, value *yaml.Node) {
			var e any
			c.value(value, reflect.ValueOf(&e).Elem(), joinPath(path, key))
			m[key] = e
		})
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, e := range n.Content {
			c.value(e, reflect.ValueOf(&list[i]).Elem(), item(path, i))
		}
		return list
	default:
		return c.anyScalar(n, path)
	}
}

func (c *component) anyScalar(n *yaml.Node, path string) any {
	if e, ok := c.expanded[n]; ok && e.quoted {
		return c.written(n)
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	case "!!int":
		var i int
		if n.Decode(&i) == nil {
			return i
		}
		fallthrough
	case "!!float":
		var f float64
		c.float(n, reflect.ValueOf(&f).Elem(), path)
		return f
	default:
		return c.written(n)
	}
}

func (c *component) isExpanded(n *yaml.Node) bool {
	_, ok := c.expanded[n]
	return ok
}
