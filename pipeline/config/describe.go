package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Reference is what a pipeline's file may hold. Keys, types and defaults are
// those of the structs that it is read into, texts those of their comments.
type Reference struct {
	// File are the keys at the top of the file, Session those of a session.
	File, Session []Field
	// Source, Stage and Sink are the keys that all kinds share.
	Source, Stage, Sink []Field
	// Sources, Stages and Sinks are the kinds, by name.
	Sources, Stages, Sinks []Kind
}

// Kind is one kind of source, stage or sink.
type Kind struct {
	Name, Text string
	// Fields are its settings.
	Fields []Field

	form Form // of all of them
}

// Required says that the kind has a setting that a file cannot leave out.
func (k Kind) Required() bool {
	return slices.ContainsFunc(k.Fields, func(f Field) bool { return f.Required })
}

// Field is one key of a map.
type Field struct {
	Key, Text string
	Form      Form
	// Default is what holds where a file does not have the key, as it would be
	// written there; nil is nothing.
	Default any
	// Required says that a file cannot leave the key out.
	Required bool
	// Live says that the value changes in place as the pipeline runs.
	Live bool
}

// Form is what a value looks like.
type Form struct {
	// Word is what people call it: text, number, whole number, true or false,
	// list, map, keys, anything, the name of a part of the file (session,
	// source, stage, sink, config), or that of a type such as duration.
	Word string
	// Text says of a type how it is written.
	Text string
	// Choices are all the values that there are; nil is any.
	Choices []any
	// Range bounds a number; nil does not.
	Range *Range
	// Of is the form of the elements of a list or map.
	Of *Form
	// Fields are those of keys.
	Fields []Field

	typ      reflect.Type
	part     bool // of the file
	optional bool // nothing may be written where it belongs
}

// Texts returns the comment on something in Go's source, made fit for users:
// on a package, a type or a field, by its name as "import/path",
// "import/path.Type", "import/path.Type.Field"; "" where there is none.
type Texts func(name string) string

// Describe tells what a file may hold with the kinds of reg. Kinds that texts
// does not know have their keys, types and defaults all the same.
//
// Where Validate takes only some words for a field, its tag lists them, as in
// `oneof:"append,fail"`; a number's tag may have its [Range]. A field is required if Validate complains of it in the
// configuration that NewConfig returns, unless the complaint ends with ", or" and another field.
func Describe(reg *pipeline.Registry, texts Texts) *Reference {
	d := describer{texts}
	parts := map[string]Form{
		"session":  {Word: "session", part: true},
		"sessions": {Word: "map", Of: &Form{Word: "session", part: true}},
		"sources":  {Word: "map", Of: &Form{Word: "source", part: true}},
		"stages":   {Word: "list", Of: &Form{Word: "stage", part: true}},
		"sinks":    {Word: "list", Of: &Form{Word: "sink", part: true}},
		"config":   {Word: "config", part: true},
		"data":     {Word: "map", Of: &Form{Word: "anything"}},
	}
	r := &Reference{
		File:    d.part(pipelineFile{MaxInFlight: defaultMaxInFlight}, parts, "sources", "sinks"),
		Session: d.part(newSessionFile(), parts),
		Source:  d.part(sourceFile{}, parts),
		Stage:   d.part(newStageFile(), parts, "name", "type"),
		Sink:    d.part(newSinkFile(), parts, "name", "type"),
	}
	for i := range r.Session {
		if f := &r.Session[i]; f.Form.Of != nil && f.Form.Of.typ == reflect.TypeFor[startFile]() {
			f.Form.Of.Fields = d.part(startFile{}, parts, "command")
		}
	}
	var sources, stages, sinks []pipeline.Type
	for _, name := range reg.Sources() {
		k, _ := reg.Source(name)
		sources = append(sources, k.Type)
	}
	for _, name := range reg.Stages() {
		k, _ := reg.Stage(name)
		stages = append(stages, k.Type)
	}
	for _, name := range reg.Sinks() {
		k, _ := reg.Sink(name)
		sinks = append(sinks, k.Type)
	}
	r.Sources, r.Stages, r.Sinks = d.kinds(sources), d.kinds(stages), d.kinds(sinks)
	return r
}

// DescribeKeys tells what a map may hold that is read into v, a struct: the
// fields of a [Document], for one.
func DescribeKeys(v any, texts Texts) []Field {
	return describer{texts}.fields(reflect.ValueOf(v), "")
}

// describer turns Go's types into forms.
type describer struct{ texts Texts }

// part returns the fields of a part of the file; the forms of what it keeps as
// YAML come from parts.
func (d describer) part(v any, parts map[string]Form, required ...string) []Field {
	fields := d.fields(reflect.ValueOf(v), "")
	for i := range fields {
		f := &fields[i]
		if form, ok := parts[f.Key]; ok && f.Form.typ == reflect.TypeFor[*yaml.Node]() {
			f.Form = form
		}
		f.Required = slices.Contains(required, f.Key)
	}
	return fields
}

// kinds describes them by the comments on their packages or, where a package
// has several, on their configurations.
func (d describer) kinds(types []pipeline.Type) []Kind {
	inPackage := make(map[string]int)
	for _, t := range types {
		inPackage[configType(t).PkgPath()]++
	}
	kinds := make([]Kind, len(types))
	for i, t := range types {
		about := configType(t).PkgPath()
		if inPackage[about] > 1 {
			about = goName(configType(t))
		}
		kinds[i] = Kind{Name: t.Name, Text: d.texts(about), Fields: d.settings(t), form: d.form(configType(t), about)}
	}
	return kinds
}

func configType(t pipeline.Type) reflect.Type { return reflect.TypeOf(t.NewConfig()).Elem() }

// settings are the fields of a kind's configuration.
func (d describer) settings(t pipeline.Type) []Field {
	cfg := t.NewConfig()
	v := reflect.ValueOf(cfg).Elem()
	if v.Kind() != reflect.Struct {
		return nil
	}
	fields := d.fields(v, "")
	complaints := complaints(cfg)
	for i, f := range fields {
		said, ok := complaints[f.Key]
		fields[i].Required = ok && !slices.ContainsFunc(fields, func(other Field) bool {
			return strings.HasSuffix(said, ", or "+other.Key)
		})
	}
	return fields
}

// complaints are what is wrong with a configuration that nobody changed, by key:
// who uses the kind has to write it. "track: is required, or audio_track" leaves
// the choice.
func complaints(untouched any) map[string]string {
	v, ok := untouched.(pipeline.Validator)
	if !ok {
		return nil
	}
	err := v.Validate()
	if err == nil {
		return nil
	}
	said := make(map[string]string)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, complaint, _ := strings.Cut(line, ": ")
		said[key] = complaint
	}
	return said
}

// fields returns those of a struct in their order. name is that of a struct
// whose type has none.
func (d describer) fields(v reflect.Value, name string) []Field {
	var fields []Field
	t := v.Type()
	if t.Name() != "" {
		name = goName(t)
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		key, inline, ok := fieldKey(sf)
		switch {
		case inline:
			fields = append(fields, d.fields(v.Field(i), name+"."+sf.Name)...)
		case ok:
			full := name + "." + sf.Name
			f := Field{
				Key: key, Text: d.texts(full), Form: d.form(sf.Type, full), Default: written(v.Field(i)),
				Live: sf.Tag.Get("live") == "true",
			}
			if f.Form.Fields != nil && sf.Type.Kind() == reflect.Struct {
				f.Form.Fields = d.fields(v.Field(i), full)
			}
			if words, ok := sf.Tag.Lookup("oneof"); ok {
				f.Form.choose(strings.Split(words, ","))
			}
			if bounds, ok := rangeOf(sf.Tag); ok {
				f.Form.Range = &bounds
			}
			fields = append(fields, f)
		}
	}
	return fields
}

// choose bounds f, or the elements of a list, to some words.
func (f *Form) choose(words []string) {
	if f.Of != nil {
		f.Of.choose(words)
		return
	}
	for _, w := range words {
		var choice any = w
		if n, err := strconv.Atoi(w); err == nil && f.Word == "whole number" {
			choice = n
		}
		f.Choices = append(f.Choices, choice)
	}
}

func (d describer) form(t reflect.Type, name string) Form {
	if t == reflect.TypeFor[*yaml.Node]() {
		return Form{Word: "anything", typ: t}
	}
	if t.Kind() == reflect.Pointer {
		f := d.form(t.Elem(), name)
		f.optional = f.Word != "keys" // which may be empty as they are
		return f
	}
	if t == reflect.TypeFor[time.Duration]() {
		t = reflect.TypeFor[Duration]()
	}
	p := reflect.PointerTo(t)
	if p.Implements(reflect.TypeFor[selfDecoder]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return d.named(t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return Form{Word: "keys", typ: t, Fields: withoutDefaults(d.fields(reflect.New(t).Elem(), name))}
	case reflect.Map:
		return Form{Word: "map", typ: t, Of: d.of(t, name)}
	case reflect.Slice, reflect.Array:
		return Form{Word: "list", typ: t, Of: d.of(t, name)}
	case reflect.String:
		if t.PkgPath() != "" {
			return d.named(t)
		}
		return Form{Word: "text", typ: t}
	case reflect.Bool:
		return Form{Word: "true or false", typ: t}
	case reflect.Float32, reflect.Float64:
		return Form{Word: "number", typ: t}
	case reflect.Interface:
		return Form{Word: "anything", typ: t}
	default:
		return Form{Word: "whole number", typ: t}
	}
}

func (d describer) of(t reflect.Type, name string) *Form {
	f := d.form(t.Elem(), name)
	return &f
}

// withoutDefaults is for keys that stand in a map which is not there by default.
func withoutDefaults(fields []Field) []Field {
	for i := range fields {
		fields[i].Default = nil
	}
	return fields
}

// named is the form of a type that has a name for users.
func (d describer) named(t reflect.Type) Form {
	return Form{Word: strings.ToLower(t.Name()), Text: d.texts(goName(t)), typ: t}
}

func goName(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

// written returns a value as a file would have it, nil for what none would.
func written(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		return nil
	}
	switch x := v.Interface().(type) {
	case Duration:
		return orNil(x == 0, shortDuration(x.Std()))
	case time.Duration:
		return orNil(x == 0, shortDuration(x))
	case Rate:
		return orNil(x == 0, x.String())
	case Bitrate:
		return scaled(int64(x), bitrateUnits())
	case Size:
		return scaled(int64(x), sizeUnits())
	case expr.Template:
		return orNil(x.String() == "", x.String())
	case fmt.Stringer:
		return orNil(v.IsZero(), x.String())
	}
	switch {
	case v.Kind() == reflect.String:
		return orNil(v.String() == "", v.String())
	case v.Kind() == reflect.Bool, v.CanInt(), v.CanUint(), v.CanFloat():
		return v.Interface()
	case v.Kind() == reflect.Slice && v.Len() > 0:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = written(v.Index(i))
		}
		return list
	}
	return nil
}

func orNil(isNil bool, s string) any {
	if isNil {
		return nil
	}
	return s
}

// shortDuration is "1m" where Go says "1m0s".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// scaled writes a number with the largest unit that divides it.
func scaled(n int64, units []unit) any {
	best := unit{"", 1}
	for _, u := range units {
		if factor := int64(u.factor); n != 0 && n%factor == 0 && u.factor > best.factor {
			best = u
		}
	}
	if best.suffix == "" {
		return n
	}
	return strconv.FormatInt(n/int64(best.factor), 10) + best.suffix
}
