package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
)

// DidYouMean returns `, did you mean "resize"?` where one of the known words is
// close to what came, else "".
func DidYouMean(word string, known []string) string {
	meant := Meant(word, known)
	if meant == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", meant)
}

// Meant returns the known word that is the closest to what came, "" if none is
// close.
func Meant(word string, known []string) string {
	best, bestDistance := "", 1+max(1, (len(word)+1)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with a neighbour to
// get from a to b.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Builtins returns the names of the functions that every expression may call.
func Builtins() []string { return slices.Sorted(slices.Values(builtin.Names)) }

// compileError puts what expr-lang says about a source into plain words.
func compileError(err error, scope *Scope) error {
	message := messageOf(err)
	if name, ok := strings.CutPrefix(message, "unknown name "); ok {
		return unknownName(name, scope)
	}
	return errors.New(plain(message))
}

func unknownName(name string, scope *Scope) error {
	if slices.Contains(scope.Elsewhere, name) {
		return fmt.Errorf("%s is not upstream of this node: from or with has to name it", name)
	}
	known := append(scope.names(), Builtins()...)
	return fmt.Errorf("unknown name %q%s", name, DidYouMean(name, known))
}

// messageOf returns what expr-lang says, without its drawing of the source.
func messageOf(err error) string {
	var located *file.Error
	if !errors.As(err, &located) {
		return err.Error()
	}
	if located.Prev != nil {
		return located.Prev.Error()
	}
	return located.Message
}

// plainWords replace how expr-lang and Go speak of types and tokens.
var plainWords = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`^unexpected token EOF.*`), "it ends too early"},
	{regexp.MustCompile(`^unexpected token \w+\("(.*)"\)$`), `unexpected "$1"`},
	{regexp.MustCompile(`^(runtime error: )?integer divide by zero$`), "division by zero"},
	{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (.*) and (.*)\)$`), "$1 does not go with $2 and $3"},
	{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched type (.*)\)$`), "$1 does not go with $2"},
	{regexp.MustCompile(`^invalid operation: (.*) ([^\s\w]+) (.*)$`), "$2 does not go with $1 and $3"},
	{regexp.MustCompile(`^interface conversion: .* is (.*), not (.*)$`), "must be $2, got $1"},
	{regexp.MustCompile(`\btype (\S+) has no (field|method) (\w+)`), `$1 has no "$3"`},
	{regexp.MustCompile(`\bbuiltin (\w+)`), "$1"},
	{regexp.MustCompile(`\*?(\[\]|\bmap\[[\w.]+\])\*?(interface ?\{\}|[\w.]+)`), "a ${1}"},
	{regexp.MustCompile(`a \[\]`), "a list"},
	{regexp.MustCompile(`a map\[[\w.]+\]`), "a map"},
	{regexp.MustCompile(`interface ?\{\}|\bunknown\b`), "anything"},
	{regexp.MustCompile(`<nil>`), "nil"},
	{regexp.MustCompile(`\b(u?int(8|16|32|64)?|float(32|64))\b`), "a number"},
	{regexp.MustCompile(`\bstring\b`), "text"},
	{regexp.MustCompile(`\bbool\b`), "true or false"},
	{regexp.MustCompile(`\btime\.Time\b`), "a time"},
	{regexp.MustCompile(`\btime\.Duration\b`), "a duration"},
	{regexp.MustCompile(`\*?\b[a-z]\w*\.([A-Z]\w*)\b`), "a $1"},
}

func plain(message string) string {
	for _, p := range plainWords {
		message = p.pattern.ReplaceAllString(message, p.word)
	}
	return strings.TrimSpace(message)
}

// shorten keeps what a message quotes on one short line.
func shorten(s string) string {
	const most = 80
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
