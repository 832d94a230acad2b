package gen

import (
	"encoding/json"
	"strings"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// width is how long a line of a comment gets.
const width = 80

// about says in a line what a value may be and what it is for.
func about(a sdk.ArgSchema) string {
	text := a.Value.String()
	if a.Default != nil {
		value, err := json.Marshal(a.Default)
		if err == nil {
			text += ", " + string(value) + " by default"
		}
	}
	// Of a file the document says only what a file is.
	if a.Description != "" && !a.Value.File() {
		text += ": " + a.Description
	}
	return text
}

// beyond is what there is to say of a field that its type does not: nothing for
// a plain one.
func beyond(a sdk.ArgSchema) string {
	v, _ := a.Value.Nullable()
	switch v.String() {
	case "integer", "number", "boolean", "text", "anything", "list of text", "list of integer", "list of number", "uploaded file":
		if a.Default == nil && (a.Description == "" || v.File()) {
			return ""
		}
	}
	return about(a)
}

// comment writes a text as lines of a comment, each behind the indentation, the
// first behind first and the others behind rest. What the model says of itself
// cannot end the comment or become a directive in it.
func comment(b *strings.Builder, indent, first, rest, text string) {
	line := indent + "// " + first
	empty := true
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "+build", "build")) {
		if !empty && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line, empty = indent+"// "+rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
}

// sentence ends a text with a full stop, unless it has an end.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?:") {
		return text
	}
	return text + "."
}

// purpose is what a summary adds to a name; nothing where the model was given
// none.
func purpose(summary, name string) string {
	if summary == "" || summary == "Trigger "+name {
		return "."
	}
	return ": " + sentence(summary)
}

// tag is the tag of a field in JSON.
func tag(name string) string {
	return "`json:\"" + name + "\"`"
}
