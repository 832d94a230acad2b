package expr

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// rewriter turns what an expression reads into calls of our own functions,
// which notice what is absent. The checker has been over the tree before, so
// types are known, and goes over it again, so that what is left is checked.
// Children are visited before their parents.
type rewriter struct {
	scope  *Scope
	config *conf.Config
	err    error

	places []place
	index  map[string]int // of places, by path
	// bases are names that mean nothing without a field, until one is seen.
	bases map[ast.Node]string
	// rewritten are the types of the nodes that calls took the place of.
	rewritten map[ast.Node]reflect.Type
}

func newRewriter(scope *Scope, config *conf.Config) *rewriter {
	addFunctions(config)
	return &rewriter{
		scope: scope, config: config, index: make(map[string]int),
		bases: make(map[ast.Node]string), rewritten: make(map[ast.Node]reflect.Type),
	}
}

// Visit rewrites one node.
func (r *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		r.identifier(node, n)
	case *ast.MemberNode:
		r.member(node, n)
	case *ast.ChainNode:
		r.chain(n)
	case *ast.CallNode:
		r.function(node, n)
	case *ast.BinaryNode:
		r.binary(node, n)
	}
}

// Reset and ShouldRepeat have the checker call the rewriter last, and once. It
// goes over the tree once more after it and no more often: where it has been twice
// it believes the types of calls.
func (r *rewriter) Reset() {}

// ShouldRepeat returns false.
func (r *rewriter) ShouldRepeat() bool { return false }

// finish returns the first mistake, given what the checker said.
func (r *rewriter) finish(checked error) error {
	if r.err != nil {
		return r.err
	}
	if checked != nil && strings.HasPrefix(messageOf(checked), "cannot redeclare") {
		return compileError(checked, r.scope)
	}
	for _, name := range r.bases {
		b, _ := r.scope.base(name)
		if len(b.places) == 0 {
			return fmt.Errorf("%s sets no annotations", b.word)
		}
		return fmt.Errorf("%s cannot be used as a whole; it has %s", b.word, list(b.places))
	}
	if checked != nil {
		return compileError(checked, r.scope)
	}
	return nil
}

func (r *rewriter) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *rewriter) identifier(node *ast.Node, n *ast.IdentifierNode) {
	if strings.HasPrefix(n.Value, "$") {
		r.fail(fmt.Errorf("unknown name %q", n.Value))
		return
	}
	if _, ok := r.scope.base(n.Value); ok {
		r.bases[n] = n.Value
		return
	}
	if p, ok := clockPlace(n.Value); ok {
		r.read(node, p)
		return
	}
	p, ok, err := r.scope.bare(n.Value)
	if err != nil {
		r.fail(err)
		return
	}
	if ok {
		r.read(node, p)
	}
}

func (r *rewriter) member(node *ast.Node, n *ast.MemberNode) {
	name, isBase := r.bases[n.Node]
	if isBase {
		delete(r.bases, n.Node)
		field, ok := n.Property.(*ast.StringNode)
		if !ok {
			r.fail(fmt.Errorf("what is read of %s must be named, as in %s.field", name, name))
			return
		}
		p, err := r.scope.place(name, field.Value)
		if err != nil {
			r.fail(err)
			return
		}
		r.read(node, p)
		return
	}
	switch r.typeOf(n.Node).Kind() {
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Interface:
		r.call(node, "$member", state0(), n.Node, n.Property)
	}
}

// function rewrites a call. One of our own goes by another name, for nodes may be
// called what it is called. The checker would believe the type that it has found
// before, and not look at the arguments again.
func (r *rewriter) function(node *ast.Node, n *ast.CallNode) {
	id, ok := n.Callee.(*ast.IdentifierNode)
	switch {
	case !ok:
		return
	case id.Value == "now" && len(n.Arguments) == 0:
		r.read(node, nowPlace())
		return
	case r.config.Functions["$"+id.Value] != nil:
		delete(r.bases, id)
		id.Value = "$" + id.Value
	}
	r.rewritten[n] = n.Type()
	n.SetType(anyType())
}

// chain makes every access of a chain with ?. one that may miss.
func (r *rewriter) chain(n *ast.ChainNode) {
	for link := n.Node; link != nil; {
		switch l := link.(type) {
		case *ast.MemberNode:
			l.Optional = true
			link = l.Node
		case *ast.CallNode:
			if _, ours := r.rewritten[l]; !ours {
				return
			}
			callee := l.Callee.(*ast.IdentifierNode)
			callee.Value = "$maybe" + strings.TrimPrefix(callee.Value, "$")
			if callee.Value != "$maybemember" {
				return
			}
			link = l.Arguments[1]
		default:
			return
		}
	}
}

func (r *rewriter) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "??":
		mark := &ast.CallNode{Callee: identifier("$mark"), Arguments: []ast.Node{state0()}}
		left := n.Left
		r.call(&n.Left, "$catch", state0(), mark, left)
	case "/":
		if n.Type().Kind() == reflect.Float64 {
			r.call(node, "$divide", n.Left, n.Right)
		}
	case "+":
		left, right := r.typeOf(n.Left).Kind(), r.typeOf(n.Right).Kind()
		if n.Type().Kind() == reflect.String || left == reflect.Interface || right == reflect.Interface {
			r.call(node, "$add", n.Left, n.Right)
		}
	}
}

// read puts the reading of a place in the place of a node.
func (r *rewriter) read(node *ast.Node, p place) {
	if _, known := r.index[p.path]; !known {
		i := len(r.places)
		r.places, r.index[p.path] = append(r.places, p), i
		r.addRead(p, i)
	}
	r.call(node, "$"+p.path, state0())
}

// addRead adds the two functions that read a place.
func (r *rewriter) addRead(p place, i int) {
	zero := reflect.Zero(p.typ).Interface()
	signature := []reflect.Type{reflect.FuncOf([]reflect.Type{anyType()}, []reflect.Type{p.typ}, false)}
	r.config.Functions["$"+p.path] = &builtin.Function{
		Name: "$" + p.path, Types: signature,
		Func: func(args ...any) (any, error) {
			s := args[0].(*state)
			v, ok := s.read(i)
			if !ok {
				s.absent = true
				return zero, nil
			}
			return v, nil
		},
	}
	r.config.Functions["$maybe"+p.path] = &builtin.Function{
		Name: "$maybe" + p.path, Types: signature,
		Func: func(args ...any) (any, error) {
			v, ok := args[0].(*state).read(i)
			if !ok {
				return nil, nil
			}
			return v, nil
		},
	}
}

func (r *rewriter) call(node *ast.Node, function string, args ...ast.Node) {
	call := &ast.CallNode{Callee: identifier(function), Arguments: args}
	r.rewritten[call] = r.typeOf(*node)
	ast.Patch(node, call)
}

func (r *rewriter) typeOf(node ast.Node) reflect.Type {
	if t, ok := r.rewritten[node]; ok {
		return t
	}
	return node.Type()
}

func identifier(name string) *ast.IdentifierNode { return &ast.IdentifierNode{Value: name} }

// state0 is the argument that brings a function the state of the evaluation.
func state0() ast.Node { return identifier("$env") }
