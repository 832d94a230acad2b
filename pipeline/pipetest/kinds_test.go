package pipetest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks"
	"github.com/reactorpipe/reactorpipe/stages"
)

// Every kind of stage and sink that ships is held to the contract by a test of
// the package that registers it.
func TestEveryKindIsHeldToTheContract(t *testing.T) {
	reg := pipeline.NewRegistry()
	stages.Register(reg)
	sinks.Register(reg)
	for _, of := range []struct {
		folder, register, check string
		kinds                   []string
	}{
		{"../../stages/*", "RegisterStage", "Stage", reg.Stages()},
		{"../../sinks/*", "RegisterSink", "Sink", reg.Sinks()},
	} {
		registered, checked := make(map[string]string), make(map[string]map[string]bool) // folder by kind, kinds by folder
		for _, path := range sources(t, of.folder) {
			file, folder := parse(t, path), filepath.Dir(path)
			if !strings.HasSuffix(path, "_test.go") {
				for _, kind := range texts(file, of.register, "Name") {
					registered[kind] = folder
				}
				continue
			}
			if checked[folder] == nil {
				checked[folder] = make(map[string]bool)
			}
			if calls(file, "pipetest", of.check) {
				for _, kind := range texts(file, "", "Kind") {
					checked[folder][kind] = true
				}
			}
		}
		if len(of.kinds) == 0 {
			t.Errorf("no kinds in %s", of.folder)
		}
		for _, kind := range of.kinds {
			folder, ok := registered[kind]
			switch {
			case !ok:
				t.Errorf("%s: no package under %s registers it by that name", kind, of.folder)
			case !checked[folder][kind]:
				t.Errorf("%s: no test in %s has pipetest.%s check the kind %q", kind, folder, of.check, kind)
			}
		}
	}
}

// sources returns the Go files of the packages in a folder.
func sources(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("nothing in %s: %v", folder, err)
	}
	return paths
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// calls says whether a function of a package is called anywhere in a file.
func calls(file *ast.File, pkg, function string) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == function {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == pkg
		}
		return true
	})
	return found
}

// texts returns the texts that a field has in the literals of a file; with a
// function, only of those in its calls.
func texts(file *ast.File, function, field string) (all []string) {
	collect := func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			key, isName := kv.Key.(*ast.Ident)
			value, isText := kv.Value.(*ast.BasicLit)
			if isName && isText && key.Name == field {
				if text, err := strconv.Unquote(value.Value); err == nil {
					all = append(all, text)
				}
			}
		}
		return true
	}
	if function == "" {
		ast.Inspect(file, collect)
		return all
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name := call.Fun
			if generic, ok := name.(*ast.IndexExpr); ok {
				name = generic.X
			}
			if s, ok := name.(*ast.SelectorExpr); ok && s.Sel.Name == function {
				for _, arg := range call.Args {
					ast.Inspect(arg, collect)
				}
			}
		}
		return true
	})
	return all
}
