package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/reactorpipe/reactorpipe"

// comments looks comments up in the source of the module.
type comments struct {
	root     string
	packages map[string]map[string]string // by import path: texts by name
	found    map[string]string            // all that were asked for
	errs     []error
}

func newComments(root string) *comments {
	return &comments{root: root, packages: make(map[string]map[string]string), found: make(map[string]string)}
}

// text is a [config.Texts].
func (c *comments) text(name string) string {
	path := name
	if dot := strings.Index(name[strings.LastIndex(name, "/")+1:], "."); dot >= 0 {
		path = name[:strings.LastIndex(name, "/")+1+dot]
	}
	texts, ok := c.packages[path]
	if !ok {
		var err error
		if texts, err = read(c.root, path); err != nil {
			c.errs = append(c.errs, err)
		}
		c.packages[path] = texts
	}
	text := texts[name]
	if text == "" {
		c.errs = append(c.errs, fmt.Errorf("%s has no comment", name))
	}
	c.found[name] = text
	return text
}

// err says what has no comment.
func (c *comments) err() error { return errors.Join(c.errs...) }

// read returns the texts of one package.
func read(root, path string) (map[string]string, error) {
	dir := filepath.Join(root, strings.TrimPrefix(path, module))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		if f.Doc != nil {
			texts[path] = about(f.Doc)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				readTypes(texts, path, d)
			}
		}
	}
	return texts, nil
}

func readTypes(texts map[string]string, path string, d *ast.GenDecl) {
	for _, s := range d.Specs {
		t := s.(*ast.TypeSpec)
		name := path + "." + t.Name.Name
		doc := t.Doc
		if doc == nil {
			doc = d.Doc
		}
		text, _, _ := strings.Cut(about(doc), "\n\n") // what follows is for programmers
		texts[name] = withoutName(text, capital(t.Name.Name), strings.ToLower(t.Name.Name))
		readFields(texts, name, t.Type)
	}
}

// readFields reads the comments on the fields of a struct, and on those of
// structs without a name in it.
func readFields(texts map[string]string, name string, t ast.Expr) {
	s, ok := t.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range s.Fields.List {
		for _, ident := range field.Names {
			full := name + "." + ident.Name
			if text := about(field.Doc); text != "" {
				texts[full] = withoutName(text, ident.Name, key(field, ident.Name))
			}
			readFields(texts, full, field.Type)
		}
	}
}

func key(field *ast.Field, name string) string {
	if field.Tag == nil {
		return strings.ToLower(name)
	}
	tag, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return strings.ToLower(name)
	}
	key, _, _ := strings.Cut(reflect.StructTag(tag).Get("yaml"), ",")
	return key
}

var (
	isKind  = regexp.MustCompile(`^(Package )?\w+ is the (stage|sink|source) that `)
	docLink = regexp.MustCompile(`\[(\*?[A-Za-z_][\w.]*)\]`)
)

// about returns a comment as Markdown: a line for each paragraph, an empty one
// between them.
func about(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	paragraphs := strings.Split(strings.TrimSpace(doc.Text()), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = docLink.ReplaceAllString(strings.Join(strings.Fields(p), " "), "$1")
	}
	text := strings.Join(paragraphs, "\n\n")
	return capital(isKind.ReplaceAllString(text, ""))
}

// withoutName says "The side of …" for "Radius is the side of …", and
// "`on_error` says …" for "OnError says …".
func withoutName(text, name, key string) string {
	for _, is := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(text, name+is); ok {
			return capital(rest)
		}
	}
	rest, begins := strings.CutPrefix(text, name)
	if begins && !strings.EqualFold(name, key) && !slices.Contains([]byte("abcdefghijklmnopqrstuvwxyz"), (rest + " ")[0]) {
		return "`" + key + "`" + rest
	}
	return text
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
