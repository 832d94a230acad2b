package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// defaultMaxInFlight lets a stage work on a frame while the one before it is
// still with the next stage, and no more waits.
const defaultMaxInFlight = 2

// loader turns the tree of a file into a Spec.
type loader struct {
	*decoder
	reg  *pipeline.Registry
	env  func(string) (string, bool)
	spec *Spec
	root *yaml.Node

	nodes  []*node // sources, stages, sinks, in the order of the file
	byName map[string]*node
	// incomplete says that there may be nodes, or sessions, which were not
	// understood: that somebody refers to what is not there is no mistake then.
	incomplete bool
}

// load fills the spec and notes all mistakes.
func (l *loader) load(root *yaml.Node) {
	l.root = root
	f := pipelineFile{Name: defaultName(l.spec.Path), MaxInFlight: defaultMaxInFlight}
	c := &component{decoder: l.decoder}
	c.into(root, &f)
	l.incomplete = holdsUnknown(root, fieldsOf(settable(&f)))
	l.spec.Name, l.spec.MaxInFlight = f.Name, f.MaxInFlight
	if !pipelineName.MatchString(f.Name) {
		c.wrong(keyNode(root, "name"), "name", "must be letters, digits, -, _ and ., got %s", orNothing([]byte(f.Name)))
	}
	l.sessions(c, root, f)
	l.sources(c, f.Sources)
	l.each(c, f.Stages, "stages", l.stage)
	l.each(c, f.Sinks, "sinks", l.sink)
	if l.incomplete {
		return // with mistakes
	}
	if isEmpty(f.Sources) {
		c.wrong(root, "sources", "a pipeline has at least one, such as sources: {cam: {%s: …}}", firstOf(l.reg.Sources(), "track"))
	}
	if isEmpty(f.Sinks) {
		c.wrong(root, "sinks", "a pipeline has at least one")
	}
	l.graph()
	l.finish()
}

// holdsUnknown says that something in the file, for all its unknown keys tell,
// could be a section.
func holdsUnknown(root *yaml.Node, fields map[string]field) bool {
	return slices.ContainsFunc(pairs(root), func(p pair) bool {
		_, known := fields[p.key.Value]
		return !known && target(p.value).Kind != yaml.ScalarNode
	})
}

var pipelineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// defaultName makes a pipeline's name of that of its file.
func defaultName(path string) string {
	base := filepath.Base(path)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	name = strings.TrimLeft(regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(name, "-"), "-._")
	if name == "" {
		return "pipeline"
	}
	return name
}

// each calls read for each item of a list.
func (l *loader) each(c *component, list *yaml.Node, section string, read func(n *yaml.Node, label string)) {
	if list == nil || isNull(list) {
		return
	}
	if list.Kind != yaml.SequenceNode {
		l.incomplete = true
		c.wrong(list, section, "must be a list (- name: …), got %s", got(list))
		return
	}
	for i, n := range list.Content {
		read(target(n), item(section, i))
	}
}

// isEmpty says that a section is not there, or has nothing in it.
func isEmpty(section *yaml.Node) bool {
	return isNull(section) || section.Kind != yaml.ScalarNode && len(section.Content) == 0
}

func firstOf(words []string, otherwise string) string {
	if len(words) == 0 || strings.Contains(strings.Join(words, " "), otherwise) {
		return otherwise
	}
	return words[0]
}
