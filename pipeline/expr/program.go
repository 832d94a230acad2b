package expr

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/vm"
)

// maxSource is the longest expression, in bytes.
const maxSource = 10_000

// Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	source string
	code   *vm.Program
	places []place
	result reflect.Type // nil where it is not known
	states sync.Pool    // of *state
}

// Checker is something with expressions in it, to be compiled once the graph is
// known. A kind's configuration implements it where it has expressions that no
// [Template] or [Value] of its fields holds. Each message begins with the field.
type Checker interface {
	Check(scope *Scope) error
}

// Compile compiles an expression. Names that scope does not know are refused;
// a nil scope knows none but the frame's. Results may have any type.
func Compile(source string, scope *Scope) (*Program, error) { return compile(source, scope) }

func compile(source string, scope *Scope, more ...func(*conf.Config)) (*Program, error) {
	if scope == nil {
		scope = &Scope{}
	}
	if len(source) > maxSource {
		return nil, fmt.Errorf("an expression has at most %d characters, got %d", maxSource, len(source))
	}
	var rewrite *rewriter
	code, err := exprlang.Compile(
		source, exprlang.Env(scope.env()), exprlang.DisableBuiltin("now"),
		func(c *conf.Config) {
			rewrite = newRewriter(scope, c)
			c.Visitors = append(c.Visitors, rewrite)
			for _, add := range more {
				add(c)
			}
		},
	)
	if err := rewrite.finish(err); err != nil {
		return nil, err
	}
	p := &Program{source: source, code: code, places: rewrite.places, result: code.Node().Type()}
	p.states.New = func() any {
		return &state{program: p, cells: make([]cell, len(p.places))}
	}
	return p, nil
}

// String returns the source text.
func (p *Program) String() string { return p.source }

// Constant says that the result does not depend on the input.
func (p *Program) Constant() bool { return len(p.places) == 0 }

// Eval evaluates p. It returns ok false where p touched something absent, or
// is nil. The value may share memory with the frame's annotations: it is not to
// be changed. An error, say a position outside a list, quotes the expression.
func (p *Program) Eval(in Input) (v any, ok bool, err error) {
	s := p.states.Get().(*state)
	s.in = in
	v, err = s.machine.Run(p.code, s)
	absent := s.absent
	s.clear()
	p.states.Put(s)

	if absent {
		return nil, false, nil
	}
	if err == nil {
		err = finite(v)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: %s", shorten(p.source), plain(messageOf(err)))
	}
	return v, v != nil, nil
}

// state is one evaluation.
type state struct {
	program *Program
	machine vm.VM
	in      Input
	cells   []cell // one for each place
	absent  bool   // something absent was touched
}

// cell keeps what was read, so that a loop reads it once.
type cell struct {
	value         any
	read, present bool
}

func (s *state) read(i int) (any, bool) {
	c := &s.cells[i]
	if !c.read {
		c.read = true
		c.value, c.present = s.program.places[i].read(&s.in)
	}
	return c.value, c.present
}

// clear lets go of the frame.
func (s *state) clear() {
	s.in, s.absent = Input{}, false
	clear(s.cells)
	clear(s.machine.Stack)
	clear(s.machine.Variables)
}

// finite refuses numbers that JSON has no words for, in maps and lists, too.
func finite(v any) error {
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return errors.New("the result is not a finite number")
	}
	var err error
	switch v := v.(type) {
	case map[string]float64:
		for _, e := range v {
			err = cmp.Or(err, finite(e))
		}
	case map[string]any:
		for _, e := range v {
			err = cmp.Or(err, finite(e))
		}
	case []any:
		for _, e := range v {
			err = cmp.Or(err, finite(e))
		}
	}
	return err
}

// Truth says whether a condition's value counts as true: true itself, a number
// other than zero, and texts, lists and maps that are not empty.
func Truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return r.Len() > 0
	default:
		return !r.IsZero()
	}
}
