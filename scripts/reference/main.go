// Command reference writes what is made of the configuration structs and the
// comments on them: docs/reference, the schemas in configs, and the texts
// that the program has with it for `reactorpipe schema`. Its argument is the
// folder of the module. make generate runs it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/rehearsal"
	"github.com/reactorpipe/reactorpipe/sinks"
	"github.com/reactorpipe/reactorpipe/stages"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reference FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// shipped is the registry of cmd/reactorpipe.
func shipped() *pipeline.Registry {
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	stages.Register(reg)
	sinks.Register(reg)
	return reg
}

// write writes all files below the folder of the module.
func write(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	var errs []error
	for path, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(root, path), text, 0o644))
	}
	return errors.Join(errs...)
}

// generate returns the files by their paths in the module.
func generate(root string) (map[string][]byte, error) {
	source := newComments(root)
	reg := shipped()
	ref := config.Describe(reg, source.text)
	tests := rehearsal.Describe(source.text)
	if err := source.err(); err != nil {
		return nil, err
	}
	schema, err := ref.Schema()
	if err != nil {
		return nil, err
	}
	testSchema, err := config.Schema(rehearsal.Title, tests)
	if err != nil {
		return nil, err
	}
	texts, err := json.MarshalIndent(source.found, "", " ")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"configs/pipeline.schema.json":      schema,
		"configs/pipeline_test.schema.json": testSchema,
		"pipeline/config/texts.json":        append(texts, '\n'),
	}
	return files, pages(files, root, reg, ref, tests)
}
