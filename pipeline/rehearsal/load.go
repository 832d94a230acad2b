package rehearsal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
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
	dir     string // of the file of tests
	where   string // the field that it is, as "tests[0]"
	doc     *config.Document
	file    *test
	spec    *config.Spec
	schema  *sdk.Schema           // nil without one
	results map[string][]result   // of the stages that something stands in for
	that    map[int]*expr.Program // of the expected frames, by index
	at      func(field string) (line int)
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
		t := newTest(path, i, &f, doc, opt.Registry)
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

func newTest(path string, i int, f *file, doc *config.Document, reg *pipeline.Registry) *Test {
	where := item("tests", i)
	return &Test{
		Path: path, Line: doc.Line(where + ".name"), Name: f.Tests[i].Name,
		reg: reg, dir: filepath.Dir(path), where: where, doc: doc, file: &f.Tests[i],
		results: make(map[string][]result), that: make(map[int]*expr.Program),
		at: func(field string) int { return doc.Line(where + "." + field) },
	}
}

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

// check compares the test with its pipeline.
func (t *Test) check() error {
	c := &checker{Test: t}
	c.pictures()
	c.script()
	c.standIns()
	c.readSchema()
	c.expectations()
	return errors.Join(c.errs...)
}

type checker struct {
	*Test
	errs []error
}

func (c *checker) wrong(at, format string, args ...any) {
	c.errs = append(c.errs, mistake(at, format, args...))
}

// known complains of a name that is none of those that there are.
func (c *checker) known(at, what, name string, names []string) bool {
	if slices.Contains(names, name) {
		return true
	}
	hint := expr.DidYouMean(name, names)
	if hint == "" && len(names) > 0 {
		hint = "; there are " + strings.Join(names, ", ")
	}
	c.wrong(at, "there is no %s %q%s", what, name, hint)
	return false
}

func (c *checker) pictures() {
	for name := range c.file.Sources {
		if !c.known("sources."+name, "source", name, sourceNames(c.spec)) {
			continue
		}
		if sourceOf(c.spec, name).Type.Messages {
			c.wrong("sources."+name, "is a source of messages: they stand under messages")
		}
	}
	for _, s := range c.spec.Sources {
		if _, given := c.file.Sources[s.Name]; !given && s.Type.Session && !s.Type.Messages {
			c.wrong("sources", "what does the model show %s? Say %s: {file: …} or %s: {frames: …}", s.Name, s.Name, s.Name)
		}
	}
}

func (c *checker) script() {
	for i := range c.file.Messages {
		c.session(item("messages", i), &c.file.Messages[i].Session)
	}
	for i := range c.file.Replies {
		c.session(item("replies", i), &c.file.Replies[i].Session)
	}
	for i := range c.file.Outages {
		c.session(item("outages", i), &c.file.Outages[i].Session)
	}
}

// session fills in the pipeline's only session.
func (c *checker) session(at string, name *string) {
	var names []string
	for _, s := range c.spec.Sessions {
		names = append(names, s.Name)
	}
	switch {
	case *name != "":
		c.known(at+".session", "session", *name, names)
	case len(names) == 1:
		*name = names[0]
	case len(names) == 0:
		c.wrong(at, "the pipeline has no session")
	default:
		c.wrong(at, "session is missing: it could be %s", strings.Join(names, ", "))
	}
}

func (c *checker) standIns() {
	for name, s := range c.file.Stages {
		at := "stages." + name
		if !c.known(at, "stage", name, stageNames(c.spec)) {
			continue
		}
		stage := stageOf(c.spec, name)
		for i, r := range s.Results {
			values, err := annotations(stage, r.Sets)
			if err != nil {
				c.errs = append(c.errs, expr.Under(at+"."+item("results", i)+".sets", err))
			}
			c.results[name] = append(c.results[name], result{r.At.Std(), values})
		}
	}
}

// annotations makes values of the stage's kinds.
func annotations(stage *config.Stage, sets map[string]any) ([]annotation, error) {
	var names []string
	for _, k := range stage.Sets {
		names = append(names, k.Name())
	}
	var values []annotation
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		i := slices.Index(names, name)
		if i < 0 {
			errs = append(errs, mistake(name, "%s sets %s", stage.Type.Name, orNone(names)))
			continue
		}
		v, err := decode(stage.Sets[i], sets[name])
		if err != nil {
			errs = append(errs, expr.Under(name, err))
		}
		values = append(values, annotation{stage.Sets[i], v})
	}
	return values, errors.Join(errs...)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no annotations"
	}
	return strings.Join(names, ", ") + " only"
}

// decode reads a value as the JSON form has it.
func decode(kind pipeline.AnyKind, v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	into := reflect.New(kind.Type())
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Interface()); err != nil {
		if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("%s: %s does not belong there", cmp.Or(typ.Field, "the value"), withArticle(typ.Value))
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return into.Elem().Interface(), nil
}

func withArticle(word string) string {
	if strings.HasPrefix(word, "a") || strings.HasPrefix(word, "o") {
		return "an " + word
	}
	return "a " + word
}

func (c *checker) readSchema() {
	if c.file.Schema == "" {
		return
	}
	path := c.path(c.file.Schema)
	text, err := os.ReadFile(path)
	if err == nil {
		c.schema, err = sdk.ParseSchema(text)
	}
	if err != nil {
		c.wrong("schema", "%v", err)
	}
}

// path returns where a file lies that the test names.
func (t *Test) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(t.dir, name)
}

func (c *checker) expectations() {
	e := &c.file.Expect
	if e.Commands != nil {
		for i, command := range *e.Commands {
			if command.Node != "" {
				c.known("expect."+item("commands", i)+".node", "sink", command.Node, sinkNames(c.spec))
			}
		}
	}
	for i, f := range e.Frames {
		c.frame(i, f)
	}
	for name := range e.Sinks {
		c.known("expect.sinks."+name, "sink", name, sinkNames(c.spec))
	}
	if e.Drops != nil {
		c.places("expect.drops", *e.Drops, graph.DropReasons())
	}
	c.places("expect.skips", e.Skips, graph.SkipReasons())
	for name := range e.Errors {
		c.known("expect.errors."+name, "stage or sink", name, slices.Concat(stageNames(c.spec), sinkNames(c.spec)))
	}
}

func (c *checker) frame(i int, f frameFile) {
	at := "expect." + item("frames", i)
	if !c.known(at+".sink", "sink", f.Sink, sinkNames(c.spec)) || f.That == "" {
		return
	}
	program, err := expr.Compile(f.That, c.spec.Scope(f.Sink))
	if err != nil {
		c.wrong(at+".that", "%v", err)
	}
	c.that[i] = program
}

func (c *checker) places(at string, places map[string]map[string]count, reasons []string) {
	for name, byReason := range places {
		if !c.known(at+"."+name, "node", name, slices.Concat(sourceNames(c.spec), stageNames(c.spec), sinkNames(c.spec))) {
			continue
		}
		for reason := range byReason {
			c.known(at+"."+name+"."+reason, "reason", reason, reasons)
		}
	}
}

func sourceNames(s *config.Spec) (names []string) {
	for _, n := range s.Sources {
		names = append(names, n.Name)
	}
	return names
}

func stageNames(s *config.Spec) (names []string) {
	for _, n := range s.Stages {
		names = append(names, n.Name)
	}
	return names
}

func sinkNames(s *config.Spec) (names []string) {
	for _, n := range s.Sinks {
		names = append(names, n.Name)
	}
	return names
}

func sourceOf(s *config.Spec, name string) *config.Source {
	return &s.Sources[slices.IndexFunc(s.Sources, func(n config.Source) bool { return n.Name == name })]
}

func stageOf(s *config.Spec, name string) *config.Stage {
	return &s.Stages[slices.IndexFunc(s.Stages, func(n config.Stage) bool { return n.Name == name })]
}
