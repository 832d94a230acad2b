package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

const reactorpipe = "github.com/reactorpipe/reactorpipe"

// Part is what a module adds to the program.
type Part string

// The parts.
const (
	Stage Part = "stage"
	Sink  Part = "sink"
)

// Module is a Go module with one stage or sink of somebody's own, its test, a
// program that has it, and what shells, go test and gopls need to build it.
type Module struct {
	Part Part
	// Name of the kind, as a pipeline's `type:` has it.
	Name string
	// Path of the module; "" is example.com/NAME.
	Path string
	// Version of reactorpipe that it is built with. "" needs Replace.
	Version string
	// Replace is a checkout of reactorpipe to build with instead, as an absolute
	// path.
	Replace string
	// Env are shell settings, lines of `export NAME="value"`.
	Env string
}

// What the templates have besides the fields of a Module.
type moduleText struct {
	Module
	Package, Type string
	Vars          []variable
	// Mod is go.mod below its first line.
	Mod string
}

type variable struct{ Name, Value string }

//go:embed all:module
var moduleTexts embed.FS

// taken are the names that the templates have for something else: packages that
// they import, folders, variables and functions.
const taken = `main app ingest mat os pipeline pipetest sinks stages testing bin out vendor
	cfg config contract f internal kind new path reg register sink stage t tt validate`

var kindName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Files returns the module's files.
func (m Module) Files() (Files, error) {
	if m.Path == "" {
		m.Path = "example.com/" + m.Name
	}
	t := moduleText{Module: m, Package: strings.ReplaceAll(m.Name, "_", ""), Type: typeName(m.Name), Vars: variables(m.Env)}
	if err := m.check(t.Package); err != nil {
		return nil, err
	}
	files := make(Files)
	var err error
	if t.Mod, err = m.requirements(files); err != nil {
		return nil, err
	}
	for _, folder := range []string{"module", "module/" + string(m.Part)} {
		entries, err := moduleTexts.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			if err := t.fill(files, folder, e.Name()); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

func (m Module) check(pkg string) error {
	switch {
	case !kindName.MatchString(m.Name):
		return fmt.Errorf("must be lower-case letters, digits and _, beginning with a letter, got %q", m.Name)
	case token.IsKeyword(pkg) || slices.Contains(strings.Fields(taken), pkg) || strings.HasSuffix(m.Name, "_test"):
		return fmt.Errorf("%s means something else in Go; take another", m.Name)
	case m.Version == "" && m.Replace == "":
		return errors.New("this program is no release: --replace says where a checkout of reactorpipe lies")
	}
	return nil
}

// fill adds the file that a template is for. Its name is the file's, with DOT
// for a dot at the begin and NAME for the package.
func (t moduleText) fill(files Files, folder, name string) error {
	source, err := moduleTexts.ReadFile(path.Join(folder, name))
	if err != nil {
		return err
	}
	tmpl, err := template.New(name).Parse(string(source))
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := tmpl.Execute(&text, t); err != nil {
		return err
	}
	name = strings.NewReplacer("DOT", ".", "NAME", t.Package, "+", "/").Replace(strings.TrimSuffix(name, ".tmpl"))
	files[name] = text.String()
	return nil
}

// requirements returns what go.mod says of reactorpipe, and adds the checksums
// where a checkout has them: with the requirements of the checkout nothing has
// to be looked up.
func (m Module) requirements(files Files) (string, error) {
	if m.Replace == "" {
		return fmt.Sprintf("\ngo 1.26\n\nrequire %s %s\n", reactorpipe, m.Version), nil
	}
	mod, err := os.ReadFile(filepath.Join(m.Replace, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(string(mod), "module "+reactorpipe+"\n") {
		return "", fmt.Errorf("--replace: %s is no checkout of reactorpipe", m.Replace)
	}
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile(filepath.Join(m.Replace, "go.sum"))
	if err != nil {
		return "", err
	}
	files["go.sum"] = string(sum)
	_, rest, _ := strings.Cut(string(mod), "\n")
	return fmt.Sprintf("\nreplace %s => %s\n\nrequire %s v0.0.0\n%s", reactorpipe, quoted(m.Replace), reactorpipe, rest), nil
}

// quoted is a path as go.mod has it.
func quoted(path string) string {
	if strings.ContainsAny(path, " \t\"'`()[]{},") {
		return strconv.Quote(path)
	}
	return path
}

// typeName is "BrightSpot" for "bright_spot".
func typeName(kind string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(kind, "_") {
		if word != "" {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return name.String()
}

// variables reads lines of export NAME="value".
func variables(env string) []variable {
	var vars []variable
	for line := range strings.Lines(env) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok {
			vars = append(vars, variable{name, strings.Trim(value, `"`)})
		}
	}
	return vars
}
