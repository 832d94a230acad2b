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
func pairs(n *yaml.Node) []pair { return pairsWithin(n, 0) }

// mostMerges is how deep maps may merge maps: a map that merges itself ends
// there.
const mostMerges = 8

func pairsWithin(n *yaml.Node, depth int) []pair {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > mostMerges {
		return nil
	}
	var own, merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{n.Content[i], n.Content[i+1]}
		if isMerge(p.key) {
			merged = append(merged, mergedPairs(p.value, depth+1)...)
			continue
		}
		own = append(own, p)
	}
	if len(merged) == 0 {
		return own
	}
	seen := make(map[string]bool)
	for _, p := range own {
		seen[p.key.Value] = true
	}
	for _, p := range merged {
		if !seen[p.key.Value] {
			seen[p.key.Value] = true
			own = append(own, p)
		}
	}
	return own
}

func mergedPairs(n *yaml.Node, depth int) []pair {
	n = target(n)
	if n.Kind != yaml.SequenceNode {
		return pairsWithin(n, depth)
	}
	if depth > mostMerges {
		return nil
	}
	var all []pair
	for _, e := range n.Content {
		all = append(all, pairsWithin(e, depth+1)...)
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
		return "a map"
	default:
		return orNothing([]byte(n.Value))
	}
}

func joinPath(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
