package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Bounds of a file. A pipeline of a thousand nodes stays far below them; a bomb
// of aliases does not.
const (
	mostValues = 100_000
	mostDepth  = 50
)

// decoder puts a tree of YAML into Go values. yaml.v3 has one of its own, but
// that one stops minding unknown keys as soon as a node is decoded by itself,
// names Go's types, and does not tell in which component a mistake is.
//
// Fields are found by their yaml tags, "inline" included. A type that reads
// itself implements encoding.TextUnmarshaler or UnmarshalYAML(func(any) error),
// whose func is as strict as all of this. A *yaml.Node gets the node.
type decoder struct {
	*mistakes
	// expanded are the texts that variables were put into, with what they look
	// like to a template.
	expanded map[*yaml.Node]expansion
	// broken are those where that failed: they were complained of already.
	broken map[*yaml.Node]bool

	values, depth int
	full          bool
}

// component is one part of a file, such as a stage's config, that fills one Go
// value.
type component struct {
	*decoder
	about string // whose it is, as `stage "blur"`
	node  *yaml.Node
	// root is what the outermost map is called when a key is unknown in it: ""
	// or "config".
	root string
	// elsewhere says of an unknown key where it would be right.
	elsewhere func(key string) string
	// checks have expressions, to be compiled once the graph is known.
	checks []check
	// inTemplate is set while a type reads itself.
	inTemplate bool
}

// check is something with expressions, and where it is in its component.
type check struct {
	expr.Checker
	path string
}

// selfDecoder is a type that reads itself.
type selfDecoder interface {
	UnmarshalYAML(decode func(any) error) error
}

// errReported stands for mistakes that are noted already.
var errReported = errors.New("mistakes in the file")

// into fills what v points to.
func (c *component) into(n *yaml.Node, v any) {
	c.node = n
	if n != nil {
		c.value(n, reflect.ValueOf(v).Elem(), "")
	}
}

func (c *component) wrong(at *yaml.Node, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	c.add(at, c.about, "%s", text)
}

func (c *component) value(n *yaml.Node, v reflect.Value, path string) {
	if !c.enter(n, path) {
		return
	}
	defer func() { c.depth-- }()
	n = target(n)
	if c.broken[n] {
		return
	}
	if !c.tagged(n, path) {
		return
	}
	if v.Type() == reflect.TypeFor[*yaml.Node]() {
		v.Set(reflect.ValueOf(n))
		return
	}
	if v.Kind() == reflect.Pointer {
		if isNull(n) && !c.isExpanded(n) {
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		c.value(n, v.Elem(), path)
		return
	}
	if c.itself(n, v, path) {
		return
	}
	c.kind(n, v, path)
}

// enter bounds depth and number of values.
func (c *component) enter(n *yaml.Node, path string) bool {
	if c.full {
		return false
	}
	c.depth++
	c.values++
	if c.values > mostValues || c.depth > mostDepth {
		c.full = true
		c.depth--
		c.wrong(n, path, "the file is nested too deep or, with its aliases, too large")
		return false
	}
	return true
}

// tagged refuses types of YAML that nothing here has.
func (c *component) tagged(n *yaml.Node, path string) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		return true
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return true
	}
	c.wrong(n, path, "the tag %s is not supported", n.Tag)
	return false
}

// itself lets types read themselves that can.
func (c *component) itself(n *yaml.Node, v reflect.Value, path string) bool {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		v = v.Addr().Convert(reflect.TypeFor[*Duration]()).Elem()
	}
	switch t := v.Addr().Interface().(type) {
	case selfDecoder:
		err := t.UnmarshalYAML(func(into any) error { return c.within(n, into, path) })
		if err != nil && !errors.Is(err, errReported) {
			c.complain(path, err)
		}
		if checker, ok := t.(expr.Checker); ok && err == nil {
			c.checks = append(c.checks, check{checker, path})
		}
		return true
	case encoding.TextUnmarshaler:
		if text, ok := c.text(n, path); ok {
			if err := t.UnmarshalText([]byte(text)); err != nil {
				c.wrong(n, path, "%v", err)
			}
		}
		return true
	}
	return false
}

// within is the func that a type reads itself with.
func (c *component) within(n *yaml.Node, into any, path string) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return errors.New("decode wants a pointer")
	}
	before, outer := len(c.all), c.inTemplate
	c.inTemplate = true
	c.value(n, v.Elem(), path)
	c.inTemplate = outer
	if len(c.all) > before {
		return errReported
	}
	return nil
}

// complain notes what a part of the component says of itself.
func (c *component) complain(path string, err error) {
	if path != "" {
		err = expr.Under(path, err)
	}
	c.addError(c.node, c.about, err)
}

// validate asks a configuration that was read whether it can be.
func (c *component) validate(cfg any) {
	if v, ok := cfg.(pipeline.Validator); ok {
		c.addError(c.node, c.about, v.Validate())
	}
}

// check compiles the expressions of the component.
func (c *component) check(scope *expr.Scope) {
	for _, one := range c.checks {
		if err := one.Check(scope); err != nil {
			c.complain(one.path, err)
		}
	}
}

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

func (c *component) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v)
	c.entries(n, path, func(key string, keyNode, value *yaml.Node) {
		field, ok := fields[key]
		if !ok {
			c.unknown(keyNode, path, key, fields)
			return
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

func (c *component) unknown(at *yaml.Node, path, key string, fields map[string]field) {
	where := joinPath(c.root, path)
	if where != "" {
		where = " in " + where
	}
	hint := expr.DidYouMean(key, sortedKeys(fields))
	if path == "" && c.elsewhere != nil {
		if place := c.elsewhere(key); place != "" {
			hint = ": it belongs " + place
		}
	}
	if hint == "" && len(fields) > 0 && len(fields) <= 16 {
		hint = "; there are " + and(sortedKeys(fields))
	}
	c.add(at, c.about, "unknown field %q%s%s", shorten(key), where, hint)
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

// checkItself lets a configuration compile expressions that it reads by itself.
func (c *component) checkItself(cfg any, scope *expr.Scope) {
	if checker, ok := cfg.(expr.Checker); ok {
		c.addError(c.node, c.about, checker.Check(scope))
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// settable returns what p points to.
func settable(p any) reflect.Value { return reflect.ValueOf(p).Elem() }
