package gen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// The files of a package. The document stays with the code that was made from
// it: the client checks commands with it, and is made anew from it.
const (
	clientFile = "client.go"
	schemaFile = "schema.json"
)

// Files are those of a generated package, by name.
type Files map[string][]byte

// Generate writes the package of the given name from a model's OpenAPI document,
// as [sdk.Session.Schema] returns it. What it writes depends on nothing else,
// and not on the order of the document's keys.
func Generate(document json.RawMessage, pkg string) (Files, error) {
	if !token.IsIdentifier(pkg) || pkg == "_" || pkg == "main" {
		return nil, fmt.Errorf("package: must be a Go identifier other than main, got %q", pkg)
	}
	schema, err := sdk.ParseSchema(document)
	if err != nil {
		return nil, err
	}
	if len(schema.Commands)+len(schema.Messages)+len(schema.Tracks) == 0 {
		return nil, errors.New("model schema: names no command, message or track")
	}
	canonical, err := Canonical(document)
	if err != nil {
		return nil, err
	}
	c := newClient(pkg, schema)
	if c.typer.err != nil {
		return nil, c.typer.err
	}
	formatted, err := format.Source(c.source())
	if err != nil {
		return nil, fmt.Errorf("the generated code does not parse: %w", err)
	}
	return Files{clientFile: formatted, schemaFile: canonical}, nil
}

// Canonical writes a JSON document with sorted keys, indented by two blanks, and
// a newline at its end.
func Canonical(document json.RawMessage) ([]byte, error) {
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		return nil, fmt.Errorf("model schema: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// Write puts the files into a folder, which it makes where it is missing, and
// returns the paths of those that changed. A client.go that was not generated is
// left alone, and an error.
func (f Files) Write(folder string) (changed []string, err error) {
	code := filepath.Join(folder, clientFile)
	if old, err := os.ReadFile(code); err == nil && !bytes.HasPrefix(old, []byte(generated)) {
		return nil, fmt.Errorf("%s: was not generated and is not overwritten", code)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	// The code last: it tells a finished package.
	for _, name := range []string{schemaFile, clientFile} {
		path := filepath.Join(folder, name)
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, f[name]) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return changed, err
		}
		if err := os.WriteFile(path, f[name], 0o644); err != nil {
			return changed, err
		}
		changed = append(changed, path)
	}
	return changed, nil
}
