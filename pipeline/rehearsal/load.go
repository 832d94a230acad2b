package rehearsal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Suffix is what the name of a file of tests ends with, before its extension.
const Suffix = "_test"

// IsTestFile says whether a file holds tests, by its name.
func IsTestFile(path string) bool {
	ext := filepath.Ext(path)
	return (ext == ".yaml" || ext == ".yml") && strings.HasSuffix(strings.TrimSuffix(path, ext), Suffix)
}

// TestFileOf returns where the tests of a pipeline are.
func TestFileOf(pipeline string) string {
	ext := filepath.Ext(pipeline)
	return strings.TrimSuffix(pipeline, ext) + Suffix + ext
}

// Options say how pipelines are read.
type Options struct {
	Registry *pipeline.Registry
	// Env looks variables up; those of a test go before them.
	Env func(name string) (string, bool)
	// Set changes all pipelines, after what the tests change.
	Set []string
	// Still makes files of frames' pictures; nil where nobody can.
	Still func(*pipeline.Frame, pipeline.Still) (pipeline.Upload, error)
}

// Suite is a file of tests.
type Suite struct {
	Path  string
	Tests []*Test
}

// Test is one test of a pipeline, checked.
type Test struct {
	// Path and Line are where it stands.
	Path string
	Line int
	Name string

	reg     *pipeline.Registry
	still   func(*pipeline.Frame, pipeline.Still) (pipeline.Upload, error)
	dir     string // of the file of tests
	where   string // the field that it is, as "tests[0]"
	doc     *config.Document
	file    *test
	spec    *config.Spec
	schema  *sdk.Schema           // nil without one
	results map[string][]result   // of the stages that something stands in for
	that    map[int]*expr.Program // of the expected frames, by index
}

// result is what a stand-in sets from some time on.
type result struct {
	from   time.Duration
	values []annotation
}

type annotation struct {
	kind  pipeline.AnyKind
	value any
}

// Load reads a file of tests and the pipelines of all of them. The error has a
// line for each mistake in any of the files.
func Load(path string, opt Options) (*Suite, error) {
	text, err := config.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f file
	doc := config.ReadDocument(path, text, &f)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	if f.Pipeline == "" {
		ext := filepath.Ext(path)
		f.Pipeline = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ext), Suffix) + ext
		if !IsTestFile(path) {
			doc.Wrong(fmt.Errorf("pipeline: is missing: only for a file that is called NAME%s.yaml it is known", Suffix))
			return nil, doc.Err()
		}
	}
	suite := &Suite{Path: path}
	var others []error // of the pipelines' own files
	for i := range f.Tests {
		t := newTest(path, i, &f, doc, opt)
		suite.Tests = append(suite.Tests, t)
		others = append(others, t.load(&f, opt))
		if t.spec != nil {
			doc.Wrong(expr.Under(t.where, t.check()))
		}
	}
	if err := errors.Join(doc.Err(), once(others)); err != nil {
		return nil, err
	}
	return suite, nil
}

func newTest(path string, i int, f *file, doc *config.Document, opt Options) *Test {
	where := item("tests", i)
	return &Test{
		Path: path, Line: doc.Line(where + ".name"), Name: f.Tests[i].Name,
		reg: opt.Registry, still: opt.Still, dir: filepath.Dir(path), where: where, doc: doc, file: &f.Tests[i],
		results: make(map[string][]result), that: make(map[int]*expr.Program),
	}
}

// line is where a field of the test stands.
func (t *Test) line(field string) int { return t.doc.Line(t.where + "." + field) }

// once leaves out what was said before.
func once(errs []error) error {
	var lines []string
	for _, err := range slices.DeleteFunc(errs, func(err error) bool { return err == nil }) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// load reads the test's pipeline. What is wrong with a change is a mistake in the
// file of tests; the error tells of others. With either there is no spec.
func (t *Test) load(f *file, opt Options) error {
	path := f.Pipeline
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.dir, path)
	}
	own := slices.Concat(f.Set, t.file.Set)
	env := func(name string) (string, bool) {
		for _, vars := range []map[string]string{t.file.Env, f.Env} {
			if value, ok := vars[name]; ok {
				return value, true
			}
		}
		return opt.Env(name)
	}
	spec, err := config.Load(path, opt.Registry, config.Options{Env: env, Set: slices.Concat(own, opt.Set)})
	if err == nil {
		t.spec = spec
		return nil
	}
	var rest []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		at, isOwn := t.changeAt(f, line)
		if !isOwn {
			rest = append(rest, line)
			continue
		}
		t.doc.Wrong(fmt.Errorf("%s: %s", at, strings.TrimPrefix(line, "--set ")))
	}
	if len(rest) == 0 {
		return nil
	}
	return errors.New(strings.Join(rest, "\n"))
}

// changeAt finds the change that a message is about.
func (t *Test) changeAt(f *file, message string) (field string, ok bool) {
	for i, change := range t.file.Set {
		if strings.HasPrefix(message, "--set "+change+":") {
			return t.where + "." + item("set", i), true
		}
	}
	for i, change := range f.Set {
		if strings.HasPrefix(message, "--set "+change+":") {
			return item("set", i), true
		}
	}
	return "", false
}
