package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Schema returns the reference as a JSON Schema (draft 7, which editors know
// best). It refuses no file that [Load] takes, and of the mistakes in one those
// that an editor can see: keys and kinds that there are not, what is missing,
// values of the wrong type. Texts with ${…} fit everywhere, for they are
// expanded before they are read.
func (r *Reference) Schema() ([]byte, error) {
	definitions := object{
		"session": keys(r.Session),
		"source":  r.source(),
		"stage":   discriminated("stage", r.Stage, r.Stages),
		"sink":    discriminated("sink", r.Sink, r.Sinks),
	}
	for _, k := range r.Sources {
		definitions["source."+k.Name] = r.sourceKind(k)
	}
	for _, k := range r.Stages {
		definitions["stage."+k.Name] = config(k)
	}
	for _, k := range r.Sinks {
		definitions["sink."+k.Name] = config(k)
	}
	root := keys(r.File)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "A pipeline of reactorpipe"
	root["definitions"] = definitions
	properties := root["properties"].(object)
	for _, section := range []string{"sessions", "sources"} {
		properties[section].(object)["propertyNames"] = object{"pattern": nodeName.String()}
	}
	properties["name"].(object)["pattern"] = orVariable(pipelineName.String())
	return encode(root)
}

// Schema returns a JSON Schema (draft 7) of a map with these fields and no
// other.
func Schema(title string, fields []Field) ([]byte, error) {
	root := keys(fields)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = title
	return encode(root)
}

func encode(root object) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(root)
	return text.Bytes(), err
}

type object = map[string]any

// variable is what a text has that is expanded before it is read.
const variable = `\$\{`

// orVariable is a pattern for texts that match another or hold a variable.
func orVariable(pattern string) string { return pattern + "|" + variable }

// keys is a map with these fields and no other.
func keys(fields []Field) object {
	properties, required := object{}, []string{}
	for _, f := range fields {
		properties[f.Key] = describe(f)
		if f.Required {
			required = append(required, f.Key)
		}
	}
	o := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["type"], o["required"] = "object", required
	}
	return o
}

func describe(f Field) object {
	o := f.Form.schema()
	if f.Text != "" {
		o["description"] = f.Text
	}
	if f.Default != nil {
		o["default"] = f.Default
	}
	if f.Required {
		switch f.Form.Word {
		case "map":
			o["type"], o["minProperties"] = "object", 1
		case "list":
			o["type"], o["minItems"] = "array", 1
		}
	}
	return o
}

// bound adds r to the schema of a number.
func (r *Range) bound(o object) {
	if r == nil {
		return
	}
	if r.Min != nil {
		o["minimum"] = *r.Min
	}
	switch {
	case r.Max == nil:
	case r.Below:
		o["exclusiveMaximum"] = *r.Max
	default:
		o["maximum"] = *r.Max
	}
}

// config is what a kind has under config:, none of which need be there unless
// it is required.
func config(k Kind) object {
	o := k.form.schema()
	if k.form.Word == "keys" {
		o = keys(k.Fields)
	}
	if k.Text != "" {
		o["description"] = k.Text
	}
	return o
}

// source is any of the kinds, each known by its key.
func (r *Reference) source() object {
	kinds := make([]object, len(r.Sources))
	for i, k := range r.Sources {
		kinds[i] = object{"$ref": "#/definitions/source." + k.Name}
	}
	if len(kinds) == 0 {
		return object{"type": "object"}
	}
	return object{"type": "object", "oneOf": kinds}
}

func (r *Reference) sourceKind(k Kind) object {
	o := keys(append(slices.Clone(k.Fields), r.Source...))
	required := []string{k.Name}
	for _, f := range k.Fields {
		if f.Required && f.Key != k.Name {
			required = append(required, f.Key)
		}
	}
	o["type"], o["required"] = "object", required
	if k.Text != "" {
		o["description"] = k.Text
	}
	return o
}

// discriminated is a stage or sink: what its type says is what its config may
// hold.
func discriminated(word string, shared []Field, kinds []Kind) object {
	o := keys(shared)
	names, texts := []string{}, []string{}
	conditions := []object{}
	for _, k := range kinds {
		names, texts = append(names, k.Name), append(texts, k.Text)
		then := object{"properties": object{"config": object{"$ref": fmt.Sprintf("#/definitions/%s.%s", word, k.Name)}}}
		if k.Required() {
			then["required"] = []string{"config"}
		}
		conditions = append(conditions, object{
			"if":   object{"properties": object{"type": object{"const": k.Name}}, "required": []string{"type"}},
			"then": then,
		})
	}
	properties := o["properties"].(object)
	properties["name"].(object)["pattern"] = orVariable(nodeName.String())
	kind := properties["type"].(object)
	delete(kind, "type")
	kind["anyOf"] = []object{{"enum": names, "enumDescriptions": texts}, {"type": "string", "pattern": variable}}
	if len(conditions) > 0 {
		o["allOf"] = conditions
	}
	return o
}

// schema returns what a value of that form may be.
func (f Form) schema() object {
	if f.optional {
		f.optional = false
		return object{"anyOf": []object{f.schema(), {"type": "null"}}}
	}
	if f.Choices != nil {
		return object{"anyOf": []object{{"enum": f.Choices}, {"type": "string", "pattern": variable}}}
	}
	switch {
	case f.part && f.Word == "config":
		return object{"type": []string{"object", "null"}}
	case f.part:
		return object{"$ref": "#/definitions/" + f.Word}
	}
	switch f.Word {
	case "keys":
		return keys(f.Fields)
	case "map":
		return object{"type": []string{"object", "null"}, "additionalProperties": f.Of.schema()}
	case "list":
		return f.list()
	case "true or false":
		return orText("boolean", variable, f.Word)
	case "number":
		o := orText("number", variable, "a number")
		f.Range.bound(o)
		return o
	case "whole number":
		o := orText("integer", variable, "a whole number")
		if reflect.Uint <= f.typ.Kind() && f.typ.Kind() <= reflect.Uint64 {
			o["minimum"] = 0
		}
		f.Range.bound(o)
		return o
	case "text":
		return text()
	case "anything":
		return object{}
	}
	return f.scalar()
}

func (f Form) list() object {
	o := object{"type": []string{"array", "null"}, "items": f.Of.schema()}
	if f.typ != nil && f.typ.Kind() == reflect.Array {
		o["minItems"], o["maxItems"] = f.typ.Len(), f.typ.Len()
	}
	return o
}

// orText is a number, say, or a text of a pattern.
func orText(word, pattern, what string) object {
	return object{"type": []string{word, "string"}, "pattern": pattern, "patternErrorMessage": "must be " + what}
}

// text takes what YAML has for numbers, too: who wants text takes it as it is
// written.
func text() object { return object{"type": []string{"string", "number", "boolean"}} }

// scalar is a type that reads itself.
func (f Form) scalar() object {
	scaled := func(units []unit, end, what string) object {
		return orText("number", orVariable(`^\s*[0-9.]+\s*`+suffix(units)+end+`\s*$`), what)
	}
	switch f.typ {
	case reflect.TypeFor[Duration]():
		span := `^(\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|\s*[0-9.]+\s*d|\+?0)$`
		return object{"anyOf": []object{
			{"type": "string", "pattern": orVariable(span), "patternErrorMessage": "must be a duration such as 5s"},
			{"const": 0}, // needs no unit
		}}
	case reflect.TypeFor[Rate]():
		o := scaled(rateUnits(), "", "a rate such as 15fps or 2/s")
		o["exclusiveMinimum"] = 0
		return o
	case reflect.TypeFor[Size]():
		o := scaled(sizeUnits(), "", "a size such as 50GB or 512k")
		o["minimum"] = 0
		return o
	case reflect.TypeFor[Bitrate]():
		o := scaled(bitrateUnits(), `\s*(bit/s|bps|b/s)?`, "a bitrate such as 2M or 800k")
		o["minimum"] = 0
		return o
	case reflect.TypeFor[expr.Template]():
		return text()
	}
	if f.typ == nil || reflect.PointerTo(f.typ).Implements(reflect.TypeFor[selfDecoder]()) {
		return object{} // it may be anything: only the type itself knows
	}
	return text()
}

func suffix(units []unit) string {
	words := make([]string, len(units))
	for i, u := range units {
		words[i] = u.suffix
	}
	return "(" + strings.Join(words, "|") + ")?"
}
