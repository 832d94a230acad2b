package sessiontest

import "strings"

// uploadComponent is the schema component that stands for an uploaded file.
const uploadComponent = "ReactorUploadReference"

// object is a JSON object of the schema.
type object = map[string]any

// schema is the model's OpenAPI 3.1 document.
func (m Model) schema() object {
	doc := object{
		"openapi":    "3.1.0",
		"info":       object{"title": m.Name, "version": "v0.0.0", "description": m.Description},
		"x-reactor":  object{"tracks": m.trackSchemas()},
		"components": object{"schemas": m.components()},
	}
	if len(m.Commands) > 0 {
		paths := object{}
		for _, c := range m.Commands {
			paths["/events/"+c.Name] = object{"post": c.schema()}
		}
		doc["paths"] = paths
	}
	if len(m.Messages) > 0 {
		hooks := object{}
		for _, msg := range m.Messages {
			hooks[msg.Name] = object{"post": msg.schema()}
		}
		doc["webhooks"] = hooks
	}
	return doc
}

// trackSchemas have the model's view of directions.
func (m Model) trackSchemas() []any {
	tracks := make([]any, len(m.Tracks))
	for i, t := range m.Tracks {
		direction := "out"
		if t.Direction == SendOnly {
			direction = "in"
		}
		tracks[i] = object{"name": t.Name, "kind": string(t.Kind), "direction": direction}
	}
	return tracks
}

func (m Model) components() object {
	schemas := object{uploadComponent: object{
		"type": "object", "format": "reactor-upload-reference",
		"description": "Reference to a file uploaded via the Reactor upload protocol.",
		"properties": object{
			"upload_id": object{"type": "string", "format": "uuid"},
			"name":      object{"type": "string"},
			"mime_type": object{"type": "string"},
			"size":      object{"type": "integer"},
		},
		"required": []any{"upload_id", "name", "mime_type", "size"},
	}}
	for _, msg := range m.Messages {
		schemas[pascal(msg.Name)] = record(msg.Fields, Arg.schema)
	}
	return schemas
}

func (c Command) schema() object {
	summary := c.Summary
	if summary == "" {
		summary = "Trigger " + c.Name
	}
	body := record(c.Args, func(a Arg) object {
		s := a.schema()
		s["x-reactor-moderate"] = c.Moderate
		return s
	})
	if c.Open {
		body["additionalProperties"] = true
	}
	responses := object{"202": object{"description": "Command accepted"}}
	if c.Reply != "" {
		responses = object{"200": object{"description": "Reply", "content": content(reference(pascal(c.Reply)))}}
	}
	return object{
		"operationId": c.Name,
		"summary":     summary,
		"requestBody": object{"required": true, "content": content(body)},
		"responses":   responses,
	}
}

func (msg MessageType) schema() object {
	op := object{
		"operationId": msg.Name,
		"requestBody": object{"required": true, "content": content(reference(pascal(msg.Name)))},
		"responses":   object{"200": object{"description": "Received"}},
	}
	if msg.Summary != "" {
		op["summary"] = msg.Summary
	}
	return op
}

func (a Arg) schema() object {
	s := a.Type.schema()
	if a.Description != "" {
		s["description"] = a.Description
	}
	if a.Default != nil || a.Optional && a.Nullable {
		s["default"] = a.Default
	}
	return s
}

func (t Type) schema() object {
	if t.Nullable {
		t.Nullable = false
		value := t.schema()
		s := object{"anyOf": []any{value, object{"type": "null"}}}
		for _, bound := range []string{"minimum", "maximum", "minLength", "maxLength"} {
			if v, ok := value[bound]; ok {
				s[bound] = v
				delete(value, bound)
			}
		}
		return s
	}
	switch t.json {
	case uploadType:
		return reference(uploadComponent)
	case objectType:
		if t.Values == nil {
			return record(t.Fields, Arg.schema)
		}
		return object{"type": "object", "additionalProperties": t.Values.schema()}
	case arrayType:
		items := Type{}
		if t.Items != nil {
			items = *t.Items
		}
		return object{"type": "array", "items": items.schema()}
	case anyType, integerType, numberType, stringType, booleanType:
	}
	s := object{}
	set := func(key string, v any, there bool) {
		if there {
			s[key] = v
		}
	}
	set("type", string(t.json), t.json != anyType)
	set("enum", t.OneOf, len(t.OneOf) > 0)
	set("enum", t.Choices, len(t.Choices) > 0)
	set("minLength", t.MinLength, t.MinLength > 0)
	set("maxLength", t.MaxLength, t.MaxLength > 0)
	if t.Min != nil {
		s["minimum"] = *t.Min
	}
	if t.Max != nil {
		s["maximum"] = *t.Max
	}
	return s
}

// record is the schema of an object with these fields.
func record(fields []Arg, schema func(Arg) object) object {
	properties := object{}
	var required []any
	for _, f := range fields {
		properties[f.Name] = schema(f)
		if f.required() {
			required = append(required, f.Name)
		}
	}
	s := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func content(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

func reference(component string) object {
	return object{"$ref": "#/components/schemas/" + component}
}

// pascal turns a snake_case message name into the name of its type.
func pascal(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
