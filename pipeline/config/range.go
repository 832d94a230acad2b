package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Range bounds a number. A field has one by its tag, as in `range:"0..1"`,
// `range:"1.."`, or `range:"0..<1"` for up to but not with 1. The loader holds
// files to it, the schema and the reference tell it.
type Range struct {
	// Min and Max are nil where nothing bounds.
	Min, Max *float64
	// Below says that Max itself is out of it.
	Below bool
}

// rangeOf reads a field's tag. A malformed one is a mistake in a Config struct.
func rangeOf(tag reflect.StructTag) (Range, bool) {
	text, ok := tag.Lookup("range")
	if !ok {
		return Range{}, false
	}
	var r Range
	low, high, ok := strings.Cut(text, "..")
	high, r.Below = strings.CutPrefix(high, "<")
	for word, bound := range map[string]**float64{low: &r.Min, high: &r.Max} {
		if word == "" {
			continue
		}
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			ok = false
		}
		*bound = &n
	}
	if !ok {
		panic(fmt.Sprintf("config: range:%q must be MIN..MAX", text))
	}
	return r, true
}

func (r Range) holds(n float64) bool {
	switch {
	case r.Min != nil && n < *r.Min:
		return false
	case r.Max != nil && (n > *r.Max || r.Below && n == *r.Max):
		return false
	}
	return true
}

// String says what is allowed, as in "from 0 to 1".
func (r Range) String() string {
	below := ""
	if r.Below {
		below = "below "
	}
	switch {
	case r.Min == nil && r.Below:
		return fmt.Sprintf("below %v", *r.Max)
	case r.Min == nil:
		return fmt.Sprintf("at most %v", *r.Max)
	case r.Max == nil:
		return fmt.Sprintf("at least %v", *r.Min)
	}
	return fmt.Sprintf("from %v to %s%v", *r.Min, below, *r.Max)
}

// number returns what v holds, of any type of numbers.
func number(v reflect.Value) float64 { return v.Convert(reflect.TypeFor[float64]()).Float() }
