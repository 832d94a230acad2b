package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// mostFile is the largest file that is read, in bytes.
const mostFile = 1 << 20

// Options of [Load].
type Options struct {
	// Env looks variables up, as [os.LookupEnv] does; nil knows none.
	Env func(name string) (value string, set bool)
	// Set are changes to the file, such as "people.rate=2fps": name.key for a
	// key of a node, name.config.key for one of its config, session.key,
	// sessions.name.key, name, max_in_flight.
	Set []string
}

// Load reads a pipeline's file. The error has one line for each mistake, by the
// order of the file, as `pipeline.yaml:12: stage "blur": radius: must be odd
// and positive, got 4`. It opens nothing but the file and what ${file:…} names,
// and looks whether files are there that are to be uploaded.
func Load(path string, reg *pipeline.Registry, opt Options) (*Spec, error) {
	text, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text, reg, opt)
}

// ReadFile reads the text of a pipeline's file, unless that is larger than any
// pipeline is.
func ReadFile(path string) ([]byte, error) {
	text, err := readAtMost(path, mostFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// Parse is [Load] for a text that was read already, or that never was a file:
// path stands for it in messages, and what it names is relative to path.
func Parse(path string, text []byte, reg *pipeline.Registry, opt Options) (*Spec, error) {
	m := &mistakes{path: path, flags: make(map[*yaml.Node]string)}
	root := parse(m, text)
	if root == nil {
		return nil, m.err()
	}
	s := &setter{mistakes: m, root: root, reg: reg}
	for _, change := range opt.Set {
		s.set(change)
	}
	dec := newDecoder(m)
	dir := filepath.Dir(path)
	(&expander{decoder: dec, env: opt.Env, dir: dir}).tree(root)

	l := &loader{decoder: dec, reg: reg, env: opt.Env, spec: &Spec{Path: path, Dir: dir}}
	l.load(root)
	if err := m.err(); err != nil {
		return nil, err
	}
	return l.spec, nil
}

func newDecoder(m *mistakes) *decoder {
	return &decoder{mistakes: m, expanded: make(map[*yaml.Node]expansion), broken: make(map[*yaml.Node]bool)}
}

// parse returns the map that a file is, or nil with a mistake.
func parse(m *mistakes, text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]) {
		m.add(nil, "", "is empty")
		return nil
	}
	if err != nil {
		m.notYAML(err, text)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		m.add(&second, "", "a file holds one pipeline, and a second document begins here")
		return nil
	case !errors.Is(err, io.EOF):
		m.notYAML(err, text)
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		m.add(root, "", "must be a map (key: value), got %s", got(root))
		return nil
	}
	return root
}

// unquoted is an upload whose expression YAML takes for lists and maps.
var unquoted = regexp.MustCompile(`\{\s*frame:\s*[^"'\s][^"'}]*[\[,]`)

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// notYAML notes what the parser says.
func (m *mistakes) notYAML(err error, text []byte) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	at := &yaml.Node{}
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		at.Line, _ = strconv.Atoi(found[1]) // digits by the pattern
		message = message[len(found[0]):]
	}
	if strings.HasPrefix(message, "did not find expected") {
		at.Line = trueLine(text, err, at.Line)
	}
	lines := bytes.Split(text, []byte("\n"))
	if 0 < at.Line && at.Line <= len(lines) &&
		bytes.HasPrefix(bytes.TrimLeft(lines[at.Line-1], " "), []byte("\t")) {
		message += " (a tab: lines are indented by spaces)"
	}
	if 0 < at.Line && at.Line <= len(lines) && unquoted.Match(lines[at.Line-1]) {
		message += " (an expression with brackets or commas is written in quotes)"
	}
	m.add(at, "", "not valid YAML: %s", message)
}

// trueLine returns where a mistake of structure is. The parser says where the
// list or map around it begins, less one: right for one in brackets, with one
// more. For others it is the first line with which the same is said.
func trueLine(text []byte, err error, line int) int {
	if strings.Contains(err.Error(), "','") {
		return line + 1
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	return 1 + sort.Search(len(lines)-1, func(last int) bool {
		var doc yaml.Node
		said := yaml.Unmarshal(bytes.Join(lines[:last+1], nil), &doc)
		return said != nil && said.Error() == err.Error()
	})
}
