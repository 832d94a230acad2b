package sdk

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestParity: everything that docs/sdk-parity.md names is there.
func TestParity(t *testing.T) {
	doc, err := os.ReadFile("../docs/sdk-parity.md")
	if err != nil {
		t.Fatal(err)
	}
	names := declared(t)
	code := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.Contains(line, "| Python |") {
			continue
		}
		rows++
		for i, prefix := range map[int]string{1: "", 2: "Test"} {
			found := 0
			for _, m := range code.FindAllStringSubmatch(cells[i], -1) {
				name := m[1]
				if name == "sdk" || strings.Contains(name, "/") || name == "defer" {
					continue
				}
				found++
				if !names[name] || !strings.HasPrefix(name, prefix) {
					t.Errorf("%s: there is no %s", strings.TrimSpace(cells[0]), name)
				}
			}
			if found == 0 {
				t.Errorf("%s: names nothing in column %d", strings.TrimSpace(cells[0]), i+1)
			}
		}
	}
	if rows < 70 {
		t.Errorf("%d rows were read", rows)
	}
}

// TestSimulatorPage: the tests that docs/simulator.md names are there.
func TestSimulatorPage(t *testing.T) {
	doc, err := os.ReadFile("../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	names := declared(t)
	found := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(doc), -1)
	if len(found) < 20 {
		t.Errorf("%d tests were read", len(found))
	}
	for _, m := range found {
		if !names[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// declared are the names of the package and of its tests: functions, types,
// constants and variables, and methods and fields behind their type's name.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[owner(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					note(names, spec)
				}
			}
		}
	}
	return names
}

// owner is the type of a method, with a dot.
func owner(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "."
	}
	return "."
}

func note(names map[string]bool, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, id := range spec.Names {
			names[id.Name] = true
		}
	case *ast.TypeSpec:
		names[spec.Name.Name] = true
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return
		}
		for _, field := range s.Fields.List {
			for _, id := range field.Names {
				names[spec.Name.Name+"."+id.Name] = true
			}
		}
	}
}
