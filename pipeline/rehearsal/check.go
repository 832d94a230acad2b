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

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/sdk"
)

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
			errs = append(errs, mistake(name, "%s sets %s", stage.Type.Name, kindsOnly(names)))
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

func kindsOnly(names []string) string {
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
