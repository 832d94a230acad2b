package sdk

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// Schema is what a model's OpenAPI document says of its surface: the commands
// that it takes, the messages that it sends and its tracks.
type Schema struct {
	Title       string
	Description string
	Commands    []CommandSchema // by name
	Messages    []MessageSchema // by name
	Tracks      []TrackSchema   // in the model's order
}

// TrackSchema is one track, its direction seen from the model.
type TrackSchema struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`      // "video" or "audio"
	Direction string `json:"direction"` // "out": the model sends it; "in": the model takes it
}

// CommandSchema is one command.
type CommandSchema struct {
	Name    string
	Summary string
	// Args are the required ones in the model's order, then the others by name.
	Args []ArgSchema
	// Reply is the Type of the message that answers the command, "" for a bare
	// acknowledgement.
	Reply string
	// Open says that arguments beyond Args are taken too.
	Open bool
}

// ArgSchema is one argument of a command, or field of a message or record.
type ArgSchema struct {
	Name        string
	Description string
	Required    bool
	Default     any // nil without one
	Value       *ValueSchema
}

// MessageSchema is one message of the model.
type MessageSchema struct {
	Name    string // as [Message.Type] has it, "brightness_set"
	Type    string // as the document calls what is in it, "BrightnessSet"
	Summary string
	Fields  []ArgSchema // in the order of [CommandSchema.Args]
}

// ValueSchema is the part of JSON Schema that models use for a value. References
// are replaced by what they refer to. The zero value takes anything.
type ValueSchema struct {
	Ref        string                  `json:"$ref"`
	Type       any                     `json:"type"` // a name or a list of names
	Format     string                  `json:"format"`
	AnyOf      []*ValueSchema          `json:"anyOf"`
	Enum       []any                   `json:"enum"`
	Minimum    *float64                `json:"minimum"`
	Maximum    *float64                `json:"maximum"`
	MinLength  *int                    `json:"minLength"`
	MaxLength  *int                    `json:"maxLength"`
	Items      *ValueSchema            `json:"items"`
	Properties map[string]*ValueSchema `json:"properties"`
	Required   []string                `json:"required"`
	// AdditionalProperties is true, false, or the schema that is then in Entries.
	AdditionalProperties json.RawMessage `json:"additionalProperties"`
	Description          string          `json:"description"`
	Default              any             `json:"default"`

	// Entries says what an object takes under keys of any name, nil for none.
	Entries *ValueSchema `json:"-"`
}

// uploadFormat marks the component that stands for an uploaded file.
const uploadFormat = "reactor-upload-reference"

// maxSchemaDepth bounds how deep a document may nest the types of a value. Real
// models use two or three levels.
const maxSchemaDepth = 32

// ParseSchema reads the document that [Session.Schema] returns.
func ParseSchema(document json.RawMessage) (*Schema, error) {
	var doc struct {
		Info struct {
			Title       string `json:"title"`
			Description string `json:"description"`
		} `json:"info"`
		Reactor struct {
			Tracks []TrackSchema `json:"tracks"`
		} `json:"x-reactor"`
		Paths      map[string]struct{ Post *operation } `json:"paths"`
		Webhooks   map[string]struct{ Post *operation } `json:"webhooks"`
		Components struct {
			Schemas map[string]*ValueSchema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("model schema: %w", err)
	}
	s := &Schema{Title: doc.Info.Title, Description: doc.Info.Description, Tracks: doc.Reactor.Tracks}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		name, isCommand := strings.CutPrefix(path, "/events/")
		op := doc.Paths[path].Post
		if !isCommand || op == nil {
			continue
		}
		c, err := op.command(name, doc.Components.Schemas)
		if err != nil {
			return nil, fmt.Errorf("model schema: command %q: %w", name, err)
		}
		s.Commands = append(s.Commands, c)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Webhooks)) {
		m, err := doc.Webhooks[name].Post.message(name, doc.Components.Schemas)
		if err != nil {
			return nil, fmt.Errorf("model schema: message %q: %w", name, err)
		}
		s.Messages = append(s.Messages, m)
	}
	return s, nil
}

// operation is the POST of one command or message.
type operation struct {
	Summary     string             `json:"summary"`
	RequestBody payload            `json:"requestBody"`
	Responses   map[string]payload `json:"responses"`
}

type payload struct {
	Content map[string]struct {
		Schema *ValueSchema `json:"schema"`
	} `json:"content"`
}

// json returns the schema of a JSON payload, nil without one.
func (p payload) json() *ValueSchema { return p.Content["application/json"].Schema }

func (op *operation) command(name string, components map[string]*ValueSchema) (CommandSchema, error) {
	c := CommandSchema{Name: name, Summary: op.Summary}
	if reply := op.Responses["200"].json(); reply != nil {
		c.Reply = reply.refers()
	}
	body, err := resolve(op.RequestBody.json(), components, 0)
	if err != nil {
		return c, err
	}
	c.Args, c.Open = body.Fields(), body.Entries != nil
	return c, nil
}

func (op *operation) message(name string, components map[string]*ValueSchema) (MessageSchema, error) {
	m := MessageSchema{Name: name}
	if op == nil {
		return m, nil
	}
	m.Summary = op.Summary
	body := op.RequestBody.json()
	if body != nil {
		m.Type = body.refers()
	}
	body, err := resolve(body, components, 0)
	if err != nil {
		return m, err
	}
	m.Fields = body.Fields()
	return m, nil
}

// refers returns the name of the component that v is a reference to, or "".
func (v *ValueSchema) refers() string { return v.Ref[strings.LastIndexByte(v.Ref, '/')+1:] }

// Fields returns the named properties of an object in the order of
// [CommandSchema.Args].
func (v *ValueSchema) Fields() []ArgSchema {
	var first, rest []string
	for _, name := range v.Required {
		if v.Properties[name] != nil && !slices.Contains(first, name) {
			first = append(first, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Properties)) {
		if !slices.Contains(first, name) {
			rest = append(rest, name)
		}
	}
	fields := make([]ArgSchema, 0, len(v.Properties))
	for _, name := range slices.Concat(first, rest) {
		p := v.Properties[name]
		fields = append(fields, ArgSchema{
			Name: name, Description: p.Description, Default: p.Default, Value: p, Required: len(fields) < len(first),
		})
	}
	return fields
}

// resolve replaces references to components by what they refer to, all the way
// down.
func resolve(v *ValueSchema, components map[string]*ValueSchema, depth int) (*ValueSchema, error) {
	if v == nil {
		return &ValueSchema{}, nil
	}
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxSchemaDepth)
	}
	if v.Ref != "" {
		target := components[v.refers()]
		if target == nil {
			return nil, fmt.Errorf("unknown reference %q", v.Ref)
		}
		r, err := resolve(target, components, depth+1)
		if err == nil && v.Description != "" {
			r.Description = v.Description
		}
		return r, err
	}
	r := *v
	var err error
	if r.Entries, err = v.entries(components, depth+1); err != nil {
		return nil, err
	}
	if v.Items != nil {
		if r.Items, err = resolve(v.Items, components, depth+1); err != nil {
			return nil, err
		}
	}
	r.AnyOf = slices.Clone(v.AnyOf)
	for i := range r.AnyOf {
		if r.AnyOf[i], err = resolve(v.AnyOf[i], components, depth+1); err != nil {
			return nil, err
		}
		r.AnyOf[i].narrow(v)
	}
	r.Properties = maps.Clone(v.Properties)
	for name := range r.Properties {
		if r.Properties[name], err = resolve(v.Properties[name], components, depth+1); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

// narrow takes over the bounds that stand beside the alternatives, which is
// where the runtime writes those of a value that may be null.
func (v *ValueSchema) narrow(by *ValueSchema) {
	v.Minimum, v.Maximum = cmp.Or(v.Minimum, by.Minimum), cmp.Or(v.Maximum, by.Maximum)
	v.MinLength, v.MaxLength = cmp.Or(v.MinLength, by.MinLength), cmp.Or(v.MaxLength, by.MaxLength)
}

// entries resolves what additionalProperties says.
func (v *ValueSchema) entries(components map[string]*ValueSchema, depth int) (*ValueSchema, error) {
	switch string(v.AdditionalProperties) {
	case "", "false", "null":
		return nil, nil
	case "true":
		return &ValueSchema{}, nil
	}
	var e ValueSchema
	if err := json.Unmarshal(v.AdditionalProperties, &e); err != nil {
		return nil, fmt.Errorf("additionalProperties: %w", err)
	}
	return resolve(&e, components, depth)
}

// Command returns the named command.
func (s *Schema) Command(name string) (CommandSchema, bool) {
	i := slices.IndexFunc(s.Commands, func(c CommandSchema) bool { return c.Name == name })
	if i < 0 {
		return CommandSchema{}, false
	}
	return s.Commands[i], true
}

// Check compares a command with the schema and returns everything that is wrong
// with it, joined. Values for which computed answers true are not known yet:
// they are checked by name only. computed may be nil.
func (s *Schema) Check(name string, args map[string]any, computed func(any) bool) error {
	c, ok := s.Command(name)
	if !ok {
		return s.unknown(name)
	}
	if err := c.check(args, computed); err != nil {
		return fmt.Errorf("command %q: %w", name, err)
	}
	return nil
}

func (s *Schema) unknown(name string) error {
	names := make([]string, len(s.Commands))
	for i, c := range s.Commands {
		names[i] = c.Name
	}
	return fmt.Errorf("unknown command %q; the model has %s", name, list(names))
}

// check says everything that is wrong with the arguments, in one line.
func (c CommandSchema) check(args map[string]any, computed func(any) bool) error {
	var errs []error
	for _, arg := range slices.Sorted(maps.Keys(args)) {
		errs = append(errs, c.checkArg(arg, args[arg], computed))
	}
	for _, a := range c.Args {
		if _, given := args[a.Name]; a.Required && !given {
			errs = append(errs, fmt.Errorf("%s: missing required argument", a.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

func (c CommandSchema) checkArg(name string, v any, computed func(any) bool) error {
	i := slices.IndexFunc(c.Args, func(a ArgSchema) bool { return a.Name == name })
	if i < 0 {
		if c.Open {
			return nil
		}
		names := make([]string, len(c.Args))
		for i, a := range c.Args {
			names[i] = a.Name
		}
		return fmt.Errorf("%s: unexpected argument; the command takes %s", name, list(names))
	}
	if err := c.Args[i].Value.check(v, computed); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (v *ValueSchema) check(value any, computed func(any) bool) error {
	if computed != nil && computed(value) {
		return nil
	}
	value = plain(value)
	if len(v.AnyOf) > 0 {
		return v.checkAnyOf(value, computed)
	}
	if v.File() {
		return checkUpload(value)
	}
	if err := v.checkType(value); err != nil {
		return err
	}
	if len(v.Enum) > 0 && !slices.ContainsFunc(v.Enum, func(e any) bool { return equal(e, value) }) {
		return fmt.Errorf("%s is not one of %s", show(value), show(v.Enum))
	}
	switch value := value.(type) {
	case string:
		return v.checkLength(utf8.RuneCountInString(value))
	case []any:
		return v.checkItems(value, computed)
	case map[string]any:
		return v.checkProperties(value, computed)
	}
	if n, ok := number(value); ok {
		return v.checkBounds(n)
	}
	return nil
}

func (v *ValueSchema) checkAnyOf(value any, computed func(any) bool) error {
	var first error
	for _, alternative := range v.AnyOf {
		err := alternative.check(value, computed)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (v *ValueSchema) checkType(value any) error {
	var allowed []string
	switch t := v.Type.(type) {
	case string:
		allowed = []string{t}
	case []any:
		for _, name := range t {
			allowed = append(allowed, fmt.Sprint(name))
		}
	}
	if len(allowed) == 0 || slices.ContainsFunc(allowed, func(t string) bool { return hasType(value, t) }) {
		return nil
	}
	return fmt.Errorf("expected %s, got %s", strings.Join(allowed, " or "), show(value))
}

func hasType(value any, name string) bool {
	switch name {
	case "null":
		return value == nil
	case "boolean":
		_, ok := value.(bool)
		return ok
	case "string":
		_, ok := value.(string)
		return ok
	case "array":
		_, ok := value.([]any)
		return ok
	case "object":
		_, ok := value.(map[string]any)
		return ok
	case "number":
		_, ok := number(value)
		return ok
	case "integer":
		n, ok := number(value)
		return ok && n == math.Trunc(n)
	}
	return true
}

func (v *ValueSchema) checkLength(n int) error {
	if v.MinLength != nil && n < *v.MinLength {
		return fmt.Errorf("length %d is below the minimum of %d", n, *v.MinLength)
	}
	if v.MaxLength != nil && n > *v.MaxLength {
		return fmt.Errorf("length %d is above the maximum of %d", n, *v.MaxLength)
	}
	return nil
}

func (v *ValueSchema) checkBounds(n float64) error {
	if v.Minimum != nil && n < *v.Minimum {
		return fmt.Errorf("%v is below the minimum of %v", n, *v.Minimum)
	}
	if v.Maximum != nil && n > *v.Maximum {
		return fmt.Errorf("%v is above the maximum of %v", n, *v.Maximum)
	}
	return nil
}

func (v *ValueSchema) checkItems(items []any, computed func(any) bool) error {
	if v.Items == nil {
		return nil
	}
	for i, item := range items {
		if err := v.Items.check(item, computed); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func (v *ValueSchema) checkProperties(fields map[string]any, computed func(any) bool) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := v.Properties[name]
		if field == nil {
			field = v.Entries
		}
		if field == nil {
			continue
		}
		if err := field.check(fields[name], computed); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range v.Required {
		if _, given := fields[name]; !given {
			return fmt.Errorf("missing required field %q", name)
		}
	}
	return nil
}

func checkUpload(value any) error {
	switch ref := value.(type) {
	case FileRef, *FileRef:
		return nil
	case map[string]any:
		if id, _ := ref["upload_id"].(string); id != "" {
			return nil
		}
	}
	return fmt.Errorf("expected an uploaded file, got %s", show(value))
}

// plain reduces a value to what it is on the wire, unless it is that already:
// values of a program's own types go through JSON. A file stays a file.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, string, float64, []any, map[string]any, FileRef, *FileRef:
		return v
	case float32:
		return float64(v)
	case int:
		return float64(v)
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	w, err := wire.NewValue(v)
	if err != nil {
		return v
	}
	return wire.Value(w)
}

// number returns v as a float64 where it is a number. A bool is none, and what
// is not finite is null on the wire.
func number(v any) (float64, bool) {
	n, ok := plain(v).(float64)
	return n, ok && !math.IsNaN(n) && !math.IsInf(n, 0)
}

func equal(a, b any) bool {
	x, isNumber := number(a)
	y, alsoNumber := number(b)
	if isNumber && alsoNumber {
		return x == y
	}
	switch a.(type) {
	case string, bool, nil:
		return a == b
	}
	return false
}

// maxShown bounds how much of a value an error message repeats.
const maxShown = 60

func show(v any) string {
	switch known := v.(type) {
	case string:
		v = known[:min(len(known), maxShown)]
	case FileRef, *FileRef:
		return "an uploaded file"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(text) > maxShown {
		return string(text[:maxShown]) + "…"
	}
	return string(text)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}
