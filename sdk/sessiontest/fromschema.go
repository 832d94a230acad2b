package sessiontest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document is the part of a model's OpenAPI document that its surface is in.
type document struct {
	Info struct {
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"info"`
	Reactor struct {
		Tracks []struct {
			Name      string `json:"name"`
			Kind      Kind   `json:"kind"`
			Direction string `json:"direction"` // "in" or "out", seen from the model
		} `json:"tracks"`
	} `json:"x-reactor"`
	Paths      map[string]documentPath `json:"paths"`
	Webhooks   map[string]documentPath `json:"webhooks"`
	Components struct {
		Schemas map[string]*documentSchema `json:"schemas"`
	} `json:"components"`

	values int // read so far; those behind references count each time
}

type documentPath struct {
	Post *struct {
		OperationID string                  `json:"operationId"`
		Summary     string                  `json:"summary"`
		RequestBody documentBody            `json:"requestBody"`
		Responses   map[string]documentBody `json:"responses"`
	} `json:"post"`
}

type documentBody struct {
	Content map[string]struct {
		Schema *documentSchema `json:"schema"`
	} `json:"content"`
}

func (b documentBody) schema() *documentSchema { return b.Content["application/json"].Schema }

// documentSchema is a value in the words of the document.
type documentSchema struct {
	Ref         string                     `json:"$ref"`
	Type        string                     `json:"type"`
	Description string                     `json:"description"`
	Default     json.RawMessage            `json:"default"`
	AnyOf       []*documentSchema          `json:"anyOf"`
	Enum        []any                      `json:"enum"`
	Minimum     *float64                   `json:"minimum"`
	Maximum     *float64                   `json:"maximum"`
	MinLength   int                        `json:"minLength"`
	MaxLength   int                        `json:"maxLength"`
	Items       *documentSchema            `json:"items"`
	Properties  map[string]*documentSchema `json:"properties"`
	Required    []string                   `json:"required"`
	Additional  json.RawMessage            `json:"additionalProperties"`
	Moderate    bool                       `json:"x-reactor-moderate"`
}

const (
	// maxSchemaDepth bounds how deep values of a document lie in one another.
	maxSchemaDepth = 32
	// maxSchemaValues bounds what references to references multiply to.
	maxSchemaValues = 10000
)

// ModelFromSchema is a model with the surface of another: the tracks, commands
// and messages of its OpenAPI document, as GET /schema and request_schema give
// it. Commands are acknowledged, and their answers are left to Handle. A document
// does not tell a literal from a choice, nor the order of all arguments: those that are
// required come first, in its order, the others by name.
func ModelFromSchema(openAPI []byte) (Model, error) {
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return Model{}, fmt.Errorf("schema: %w", err)
	}
	m := Model{Name: doc.Info.Title, Description: doc.Info.Description}
	for _, t := range doc.Reactor.Tracks {
		direction := RecvOnly
		if t.Direction == "in" {
			direction = SendOnly
		}
		m.Tracks = append(m.Tracks, Track{Name: t.Name, Kind: t.Kind, Direction: direction})
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		name, ok := strings.CutPrefix(path, "/events/")
		if !ok || doc.Paths[path].Post == nil {
			continue
		}
		c, err := doc.command(name, doc.Paths[path])
		if err != nil {
			return Model{}, fmt.Errorf("schema: command %q: %w", name, err)
		}
		m.Commands = append(m.Commands, c)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Webhooks)) {
		op := doc.Webhooks[name].Post
		if op == nil {
			continue
		}
		fields, err := doc.fields(op.RequestBody.schema(), 0)
		if err != nil {
			return Model{}, fmt.Errorf("schema: message %q: %w", name, err)
		}
		m.Messages = append(m.Messages, MessageType{Name: name, Summary: op.Summary, Fields: fields})
	}
	_, err := m.complete(videoCodecs())
	return m, err
}

func (d *document) command(name string, path documentPath) (Command, error) {
	op := path.Post
	c := Command{Name: name, Summary: op.Summary}
	body := op.RequestBody.schema()
	if body == nil {
		return c, nil
	}
	var err error
	if c.Args, err = d.fields(body, 0); err != nil {
		return c, err
	}
	c.Open = string(body.Additional) == "true"
	for _, p := range body.Properties {
		c.Moderate = c.Moderate || p.Moderate
	}
	if reply := op.Responses["200"].schema(); reply != nil {
		c.Reply = d.messageOf(component(reply.Ref))
	}
	return c, nil
}

// messageOf is the message whose data a component describes.
func (d *document) messageOf(name string) string {
	for message, path := range d.Webhooks {
		if path.Post != nil && path.Post.RequestBody.schema() != nil && component(path.Post.RequestBody.schema().Ref) == name {
			return message
		}
	}
	return name
}

func component(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// fields are the properties of an object, the required ones first.
func (d *document) fields(s *documentSchema, depth int) ([]Arg, error) {
	s, err := d.resolve(s, depth)
	if err != nil || s == nil {
		return nil, err
	}
	var fields []Arg
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		t, err := d.value(p, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		a := Arg{Name: name, Description: p.Description, Type: t, Optional: !slices.Contains(s.Required, name)}
		if p.Default != nil {
			a.Default = anyJSON(p.Default)
		}
		fields = append(fields, a)
	}
	order := func(a Arg) int {
		if a.Optional {
			return len(s.Required)
		}
		return slices.Index(s.Required, a.Name)
	}
	slices.SortStableFunc(fields, func(a, b Arg) int { return order(a) - order(b) })
	return fields, nil
}

// resolve follows references to components.
func (d *document) resolve(s *documentSchema, depth int) (*documentSchema, error) {
	for ; s != nil && s.Ref != ""; depth++ {
		name := component(s.Ref)
		if d.Components.Schemas[name] == nil || depth > maxSchemaDepth {
			return nil, fmt.Errorf("%q leads nowhere", s.Ref)
		}
		s = d.Components.Schemas[name]
	}
	return s, nil
}

// value is the type of a value.
func (d *document) value(s *documentSchema, depth int) (Type, error) {
	if depth > maxSchemaDepth {
		return Type{}, fmt.Errorf("more than %d values in one another", maxSchemaDepth)
	}
	if d.values++; d.values > maxSchemaValues {
		return Type{}, fmt.Errorf("more than %d values", maxSchemaValues)
	}
	if s != nil && component(s.Ref) == uploadComponent {
		return File(), nil
	}
	s, err := d.resolve(s, depth)
	if err != nil || s == nil {
		return Type{}, err
	}
	if len(s.AnyOf) > 0 {
		return d.choice(s, depth)
	}
	t := Type{json: jsonType(s.Type), Min: s.Minimum, Max: s.Maximum, MinLength: s.MinLength, MaxLength: s.MaxLength, OneOf: s.Enum}
	switch t.json {
	case anyType, integerType, numberType, stringType, booleanType:
		return t, nil
	case arrayType:
		items, err := d.value(s.Items, depth+1)
		t.Items = &items
		return t, err
	case objectType:
		var entries *documentSchema
		if json.Unmarshal(s.Additional, &entries) == nil && entries != nil {
			values, err := d.value(entries, depth+1)
			t.Values = &values
			return t, err
		}
		t.Fields, err = d.fields(s, depth+1)
		return t, err
	case uploadType:
	}
	return Type{}, fmt.Errorf("unknown type %q", s.Type)
}

// choice is an optional value: one of a type, or null, with its bounds beside the
// alternatives or in them. Other alternatives take anything.
func (d *document) choice(of *documentSchema, depth int) (Type, error) {
	var types []*documentSchema
	for _, s := range of.AnyOf {
		if s == nil || s.Type != "null" {
			types = append(types, s)
		}
	}
	if len(types) != 1 {
		return Any(), nil
	}
	t, err := d.value(types[0], depth+1)
	t.Nullable = len(types) < len(of.AnyOf)
	t.Min, t.Max = cmp.Or(of.Minimum, t.Min), cmp.Or(of.Maximum, t.Max)
	t.MinLength, t.MaxLength = cmp.Or(of.MinLength, t.MinLength), cmp.Or(of.MaxLength, t.MaxLength)
	return t, err
}
