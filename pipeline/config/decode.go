package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
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
	// elsewhere says of an unknown key where it would be right; misplaced, that
	// there was such a key.
	elsewhere func(key string) string
	misplaced bool
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

// checkItself lets a configuration compile expressions that it reads by itself.
func (c *component) checkItself(cfg any, scope *expr.Scope) {
	if checker, ok := cfg.(expr.Checker); ok {
		c.addError(c.node, c.about, checker.Check(scope))
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// settable returns what p points to.
func settable(p any) reflect.Value { return reflect.ValueOf(p).Elem() }
