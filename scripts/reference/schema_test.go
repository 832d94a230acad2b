package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jsonSchema checks values against as much of JSON Schema as ours is made of. A
// keyword that it does not know fails the test.
type jsonSchema struct {
	root map[string]any
}

func parseSchema(t *testing.T, text []byte) jsonSchema {
	t.Helper()
	var s jsonSchema
	if err := json.Unmarshal(text, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns what is wrong with v, a value as encoding/json has it.
func (s jsonSchema) validate(v any) []string { return s.check(s.root, v, "") }

func (s jsonSchema) check(schema map[string]any, v any, path string) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		rule := schema[keyword]
		switch keyword {
		case "$schema", "title", "description", "default", "definitions", "enumDescriptions", "patternErrorMessage", "then", "additionalProperties":
		case "$ref":
			name := strings.TrimPrefix(rule.(string), "#/definitions/")
			definition, ok := s.root["definitions"].(map[string]any)[name].(map[string]any)
			if !ok {
				add("no definition %q", name)
				continue
			}
			wrong = append(wrong, s.check(definition, v, path)...)
		case "type":
			if !ofType(rule, v) {
				add("is no %v", rule)
			}
		case "enum":
			if !slices.ContainsFunc(rule.([]any), func(x any) bool { return reflect.DeepEqual(x, v) }) {
				add("is none of %v", rule)
			}
		case "const":
			if !reflect.DeepEqual(rule, v) {
				add("is not %v", rule)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(text) {
				add("%q does not match %s", text, rule)
			}
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
			if n, ok := v.(float64); ok && !inRange(keyword, n, rule.(float64)) {
				add("%v: %s is %v", n, keyword, rule)
			}
		case "required":
			if m, ok := v.(map[string]any); ok {
				for _, key := range rule.([]any) {
					if _, ok := m[key.(string)]; !ok {
						add("%s is missing", key)
					}
				}
			}
		case "minProperties":
			if m, ok := v.(map[string]any); ok && len(m) < int(rule.(float64)) {
				add("has too few keys")
			}
		case "minItems":
			if l, ok := v.([]any); ok && len(l) < int(rule.(float64)) {
				add("is too short")
			}
		case "propertyNames":
			if m, ok := v.(map[string]any); ok {
				for key := range m {
					wrong = append(wrong, s.check(rule.(map[string]any), key, path+"."+key)...)
				}
			}
		case "properties":
			wrong = append(wrong, s.properties(schema, v, path)...)
		case "items":
			if l, ok := v.([]any); ok {
				for i, e := range l {
					wrong = append(wrong, s.check(rule.(map[string]any), e, fmt.Sprintf("%s[%d]", path, i))...)
				}
			}
		case "allOf":
			for _, one := range rule.([]any) {
				wrong = append(wrong, s.check(one.(map[string]any), v, path)...)
			}
		case "anyOf", "oneOf":
			if n := s.matching(rule.([]any), v, path); n == 0 || keyword == "oneOf" && n > 1 {
				add("matches %d of %s", n, keyword)
			}
		case "if":
			if len(s.check(rule.(map[string]any), v, path)) == 0 {
				wrong = append(wrong, s.check(schema["then"].(map[string]any), v, path)...)
			}
		default:
			add("the checker does not know the keyword %s", keyword)
		}
	}
	if _, has := schema["properties"]; !has {
		wrong = append(wrong, s.properties(schema, v, path)...)
	}
	return wrong
}

func (s jsonSchema) properties(schema map[string]any, v any, path string) []string {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	var wrong []string
	properties, _ := schema["properties"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		at := path + "." + key
		if property, ok := properties[key].(map[string]any); ok {
			wrong = append(wrong, s.check(property, m[key], at)...)
			continue
		}
		switch others := schema["additionalProperties"].(type) {
		case bool:
			if !others {
				wrong = append(wrong, at+": no such key")
			}
		case map[string]any:
			wrong = append(wrong, s.check(others, m[key], at)...)
		}
	}
	return wrong
}

func (s jsonSchema) matching(schemas []any, v any, path string) int {
	n := 0
	for _, one := range schemas {
		if len(s.check(one.(map[string]any), v, path)) == 0 {
			n++
		}
	}
	return n
}

func inRange(keyword string, n, bound float64) bool {
	switch keyword {
	case "minimum":
		return n >= bound
	case "maximum":
		return n <= bound
	case "exclusiveMaximum":
		return n < bound
	default:
		return n > bound
	}
}

func ofType(rule, v any) bool {
	if all, ok := rule.([]any); ok {
		return slices.ContainsFunc(all, func(one any) bool { return ofType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return rule == "null"
	case bool:
		return rule == "boolean"
	case string:
		return rule == "string"
	case float64:
		return rule == "number" || rule == "integer" && v == math.Trunc(v)
	case []any:
		return rule == "array"
	default:
		return rule == "object"
	}
}
