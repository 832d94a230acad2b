package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// pair is one entry of a map.
type pair struct {
	key, value *yaml.Node
}

// target returns what a node stands for, itself unless it is an alias.
func target(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// entry returns the value of a map's key, or nil.
func entry(n *yaml.Node, key string) *yaml.Node {
	for _, p := range pairs(n) {
		if p.key.Value == key {
			return target(p.value)
		}
	}
	return nil
}

// keyNode returns the key itself, which has the line, or n where there is none.
func keyNode(n *yaml.Node, key string) *yaml.Node {
	for _, p := range pairs(n) {
		if p.key.Value == key {
			return p.key
		}
	}
	return n
}

// pairs returns a map's own entries and those merged in with <<, of which its
// own and the first ones win. It returns nothing for what is not a map.
func pairs(n *yaml.Node) []pair {
	m := merger{seen: make(map[string]bool)}
	return m.pairs(n)
}

// mostMerged is how many maps one map may merge in, over all levels: a map that
// merges itself, or a bomb of merges, ends there.
const mostMerged = 100

// merger collects the entries of one map.
type merger struct {
	maps int
	seen map[string]bool // keys, of merged entries and those before them
}

func (m *merger) pairs(n *yaml.Node) []pair {
	n = target(n)
	m.maps++
	if n == nil || n.Kind != yaml.MappingNode || m.maps > mostMerged {
		return nil
	}
	var all []pair
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{n.Content[i], n.Content[i+1]}
		switch {
		case isMerge(p.key):
			merged = append(merged, p.value)
		case m.maps == 1 || !m.seen[p.key.Value]: // its own, even twice: that is a mistake
			all = append(all, p)
		}
	}
	if len(merged) == 0 {
		return all
	}
	for _, p := range all {
		m.seen[p.key.Value] = true
	}
	for _, from := range merged {
		all = append(all, m.from(from)...)
	}
	return all
}

// from returns the entries of what << names: a map or a list of them.
func (m *merger) from(n *yaml.Node) []pair {
	sources := []*yaml.Node{n}
	if n = target(n); n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	var all []pair
	for _, source := range sources {
		for _, p := range m.pairs(source) {
			m.seen[p.key.Value] = true
			all = append(all, p)
		}
	}
	return all
}

func isMerge(key *yaml.Node) bool { return key.Tag == "!!merge" }

// find returns the node of the field with a dotted path, as "a.b[2].c", or the
// one next above it that there is.
func find(n *yaml.Node, path string) *yaml.Node {
	found := n
	path, _, _ = strings.Cut(path, ",")
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		n = target(n)
		if n == nil {
			return found
		}
		if n.Kind == yaml.SequenceNode {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.Content) {
				return found
			}
			n = n.Content[i]
			found = n
			continue
		}
		at := keyNode(n, step)
		if at == n {
			return found
		}
		found, n = at, entry(n, step)
	}
	return found
}

// without returns a map's node without some of its keys.
func without(n *yaml.Node, keys ...string) *yaml.Node {
	rest := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
	for _, p := range pairs(n) {
		if !slices.Contains(keys, p.key.Value) {
			rest.Content = append(rest.Content, p.key, p.value)
		}
	}
	return rest
}

// isNull says that nothing is written where a value belongs.
func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// got says what is written in a place, in the words of a message.
func got(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		if len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
			return "{{ without quotes around the text"
		}
		return "a map"
	default:
		return orNothing([]byte(n.Value))
	}
}

func joinPath(path, field string) string {
	field = shorten(field)
	switch {
	case path == "":
		return field
	case field == "":
		return path
	}
	return path + "." + field
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
