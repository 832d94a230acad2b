package config

import (
	"bytes"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Document is YAML that is not a pipeline's file, read as strictly as one is: a
// file of another sort, or the configuration of one kind by itself. Nothing in it
// is expanded.
type Document struct {
	*mistakes
	whole *component
}

// ReadDocument reads text into v, which points to a struct, and has v validate
// itself if it is a [pipeline.Validator]. path stands for the text in messages.
// [Document.Err] tells what is wrong.
func ReadDocument(path string, text []byte, v any) *Document {
	d := &Document{mistakes: &mistakes{path: path, flags: make(map[*yaml.Node]string)}}
	d.whole = &component{decoder: newDecoder(d.mistakes)}
	if root := parse(d.mistakes, text); root != nil {
		d.whole.into(root, v)
	}
	if len(d.all) == 0 {
		d.whole.validate(v)
	}
	return d
}

// Wrong notes what somebody else says of the document: each error that is joined
// in err, at the line of the field that its message begins with, as in
// "tests[2].expect.drops: must …".
func (d *Document) Wrong(err error) { d.addError(d.whole.node, "", err) }

// Line returns the line of a field, as in "tests[2].name", or of what is next
// above it.
func (d *Document) Line(field string) int { return find(d.whole.node, field).Line }

// Err returns all mistakes as one error, a line each, or nil.
func (d *Document) Err() error { return d.err() }

// Decode reads the configuration of one kind from a text, as a `config:` of a
// file is read, into a pointer to it, and validates it. Its expressions are
// compiled for scope. name stands for the file in messages.
func Decode(name string, text []byte, cfg any, scope *expr.Scope) error {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}")
	}
	d := ReadDocument(name, text, cfg)
	if len(d.all) == 0 {
		d.whole.check(scope)
	}
	if len(d.all) == 0 {
		d.whole.checkItself(cfg, scope)
	}
	return d.Err()
}
