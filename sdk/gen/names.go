package gen

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"unicode"
)

// names hands out identifiers of one scope, each once.
type names map[string]bool

// take returns the first of the candidates that is free, or the last one with a
// number behind it.
func (n names) take(candidates ...string) string {
	for _, c := range candidates {
		if !n[c] {
			n[c] = true
			return c
		}
	}
	last := candidates[len(candidates)-1]
	for i := 2; ; i++ {
		if c := fmt.Sprint(last, i); !n[c] {
			n[c] = true
			return c
		}
	}
}

// initialisms are written in capitals in Go.
var initialisms = []string{"api", "fps", "id", "ip", "json", "rgb", "ui", "uri", "url", "uuid"}

// exported turns a name of the model, as set_look_horizontal, into an exported
// identifier.
func exported(name string) string {
	id := pascal(name)
	if id == "" || !unicode.IsUpper([]rune(id)[0]) {
		return "X" + id
	}
	return id
}

// pascal joins the words of a name, each with a capital. It may begin with a
// digit, or be empty.
func pascal(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if slices.Contains(initialisms, word) {
			b.WriteString(strings.ToUpper(word))
			continue
		}
		r := []rune(word)
		b.WriteString(string(unicode.ToUpper(r[0])) + string(r[1:]))
	}
	return b.String()
}

// taken are identifiers that mean something else inside a generated method.
var taken = []string{"args", "c", "ctx", "opts", "any", "bool", "context", "error", "float64", "int", "nil", "sdk", "string", "map", "answer", "maps", "more"}

// parameter turns the name of an argument into one of a parameter.
func parameter(name string) string {
	r := []rune(exported(name))
	for i := range r {
		// The capitals of an initialism at the beginning go together: urlList.
		if i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) || !unicode.IsUpper(r[i]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	id := string(r)
	if slices.Contains(taken, id) || token.IsKeyword(id) {
		return id + "Arg"
	}
	return id
}
