package app

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// word is an argument of a command as people type it.
type word struct {
	name, text string
	json       bool // NAME:=JSON
}

// parseWords takes NAME=VALUE and NAME:=JSON apart.
func parseWords(words []string) ([]word, error) {
	var all []word
	for _, text := range words {
		name, value, ok := strings.Cut(text, "=")
		w := word{name: name, text: value}
		w.name, w.json = strings.CutSuffix(name, ":")
		switch {
		case !ok || w.name == "":
			return nil, fmt.Errorf("an argument must be NAME=VALUE or NAME:=JSON, got %q", text)
		case slices.ContainsFunc(all, func(o word) bool { return o.name == w.name }):
			return nil, fmt.Errorf("%s: is given twice", w.name)
		case w.json && !json.Valid([]byte(value)):
			return nil, fmt.Errorf("%s: must be JSON, got %s", w.name, value)
		}
		all = append(all, w)
	}
	return all, nil
}

// file returns the path of the file that the word stands for, if it does: where
// the model wants one, or where nothing says what it wants.
func (w word) file(schema *sdk.ValueSchema) (path string, ok bool) {
	path, ok = strings.CutPrefix(w.text, "@")
	if !ok || w.json {
		return "", false
	}
	return path, schema == nil || takesFile(schema)
}

func takesFile(schema *sdk.ValueSchema) bool {
	return schema.File() || slices.ContainsFunc(schema.AnyOf, takesFile)
}

// value returns what the word stands for under schema, which may be nil: then
// whatever reads as JSON is that. Whether it is allowed is for the daemon to say.
func (w word) value(schema *sdk.ValueSchema) (any, error) {
	switch {
	case w.json:
		return fromJSON(w.text)
	case schema == nil:
		return guessed(w.text), nil
	case takesFile(schema):
		return nil, fmt.Errorf("expected a file, as %s=@PATH", w.name)
	}
	return typed(w.text, schema)
}

func fromJSON(text string) (v any, err error) {
	if json.Unmarshal([]byte(text), &v) != nil {
		return nil, fmt.Errorf("expected JSON, got %q", text)
	}
	return v, nil
}

func guessed(text string) any {
	if v, err := fromJSON(text); err == nil {
		return v
	}
	return text
}

// typed reads text as a value of the schema's type.
func typed(text string, schema *sdk.ValueSchema) (any, error) {
	if len(schema.AnyOf) > 0 {
		return typedByAny(text, schema.AnyOf)
	}
	switch kind := schema.Type; kind {
	case "string":
		return text, nil
	case "null":
		if text != "null" {
			return nil, fmt.Errorf("expected null, got %q", text)
		}
		return nil, nil
	case "integer":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("expected integer, got %q", text)
		}
		return n, nil
	case "number":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, fmt.Errorf("expected number, got %q", text)
		}
		return n, nil
	case "boolean":
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("expected true or false, got %q", text)
		}
		return text == "true", nil
	case "array", "object":
		return fromJSON(text)
	}
	return guessed(text), nil
}

// typedByAny takes the first alternative that text fits; a text that any would
// be, last.
func typedByAny(text string, alternatives []*sdk.ValueSchema) (any, error) {
	strict := slices.Clone(alternatives)
	slices.SortStableFunc(strict, func(a, b *sdk.ValueSchema) int { return loose(a) - loose(b) })
	var errs []error
	for _, schema := range strict {
		v, err := typed(text, schema)
		if err == nil {
			return v, nil
		}
		errs = append(errs, err)
	}
	return nil, errs[0]
}

func loose(schema *sdk.ValueSchema) int {
	if schema.Type == "string" {
		return 1
	}
	return 0
}
