package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// setter changes the tree of a file as --set says.
type setter struct {
	*mistakes
	root *yaml.Node
	reg  *pipeline.Registry
}

// set applies one change: name.key=value for a node, or a key of the file.
func (s *setter) set(change string) {
	flag := "--set " + shorten(change)
	path, value, ok := strings.Cut(change, "=")
	steps := strings.Split(path, ".")
	if !ok || slices.Contains(steps, "") {
		s.addFlag(flag, "must be name.key=value, such as people.rate=2fps")
		return
	}
	s.put(s.root, steps, parseSet(value), flag)
}

// put finds what the first steps address, and changes it.
func (s *setter) put(root *yaml.Node, steps []string, value *yaml.Node, flag string) {
	first, rest := steps[0], steps[1:]
	least := map[string]int{"name": 0, "max_in_flight": 0, "session": 1, "sessions": 2}
	if keys, ok := least[first]; ok {
		if len(rest) < keys || keys == 0 && len(rest) > 0 {
			s.addFlag(flag, "must be %s=value", first+strings.Repeat(".key", keys))
			return
		}
		s.change(root, steps, value, flag)
		return
	}
	if len(rest) == 0 {
		s.addFlag(flag, "must be name.key=value, such as people.rate=2fps")
		return
	}
	node, names := s.node(first)
	if node == nil {
		s.addFlag(flag, "there is no %q%s", first, expr.DidYouMean(first, append(names, sortedKeys(least)...)))
		return
	}
	s.change(node, rest, value, flag)
}

// node returns the source, stage or sink with a name as a map of its own, and
// the names that there are.
func (s *setter) node(name string) (found *yaml.Node, names []string) {
	for i, n := range contents(entry(s.root, "sources")) {
		if i%2 == 0 {
			names = append(names, n.Value)
			continue
		}
		if names[len(names)-1] == name {
			found = own(&entry(s.root, "sources").Content[i])
		}
	}
	for _, section := range []string{"stages", "sinks"} {
		list := entry(s.root, section)
		for i, n := range contents(list) {
			called := entry(n, "name")
			if called == nil {
				continue
			}
			names = append(names, called.Value)
			if called.Value == name {
				found = own(&list.Content[i])
			}
		}
	}
	return found, names
}

// own returns *n with aliases and merges resolved in place, so that a change
// of it changes nothing else.
func own(n **yaml.Node) *yaml.Node {
	t := target(*n)
	if t.Kind == yaml.MappingNode {
		t = without(t)
	}
	*n = t
	return t
}

// change sets a key below a map, making maps on the way.
func (s *setter) change(n *yaml.Node, steps []string, value *yaml.Node, flag string) {
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: steps[0], Line: n.Line}
	if n.Kind != yaml.MappingNode {
		s.addFlag(flag, "%q is not in a map", steps[0])
		return
	}
	if len(steps) == 1 {
		s.mark(value, flag)
		s.flags[key] = flag
		others := withoutRivals(n, steps[0], s.rivals())
		n.Content = append(others.Content, key, value)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != steps[0] {
			continue
		}
		if isNull(target(n.Content[i+1])) {
			n.Content[i+1] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Content[i].Line}
		}
		s.change(own(&n.Content[i+1]), steps[1:], value, flag)
		return
	}
	inner := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line}
	s.flags[key], s.flags[inner] = flag, flag
	n.Content = append(n.Content, key, inner)
	s.change(inner, steps[1:], value, flag)
}

// rivals are the keys of which a map has one: setting one takes the others out.
func (s *setter) rivals() [][]string {
	return [][]string{{"model", "url", "sim"}, {"sim", "adopt"}, s.reg.Sources()}
}

func withoutRivals(n *yaml.Node, key string, rivals [][]string) *yaml.Node {
	gone := []string{key}
	for _, group := range rivals {
		if slices.Contains(group, key) {
			gone = append(gone, group...)
		}
	}
	return without(n, gone...)
}

func (s *setter) mark(n *yaml.Node, flag string) {
	s.flags[n] = flag
	for _, child := range n.Content {
		s.mark(child, flag)
	}
}

// parseSet reads a list or map in brackets, or takes a text as it is.
func parseSet(value string) *yaml.Node {
	if strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{") {
		var doc yaml.Node
		if yaml.Unmarshal([]byte(value), &doc) == nil && len(doc.Content) == 1 {
			return doc.Content[0]
		}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: value}
}

func contents(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	return n.Content
}
