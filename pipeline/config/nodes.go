package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

const (
	defaultTTL      = time.Second
	defaultDeadline = 5 * time.Second
	defaultOnError  = "drop"
)

// node is a source, stage or sink while its file is checked.
type node struct {
	label string // as `stage "blur"`
	name  string
	yaml  *yaml.Node
	// One of the three.
	source *Source
	stage  *Stage
	sink   *Sink
	// keys are the node's own, config its kind's.
	keys, config *component
	cfg          any
	known        bool // the kind exists
	when         string

	// inputs are from and with, as far as they exist.
	inputs []*node
	// lost says that an input is missing: what is upstream is not known.
	lost bool
}

// common returns what stages and sinks have in common, nil for a source.
func (n *node) common() *Node {
	switch {
	case n.stage != nil:
		return &n.stage.Node
	case n.sink != nil:
		return &n.sink.Node
	default:
		return nil
	}
}

// messages says that n is a source of messages.
func (n *node) messages() bool { return n.source != nil && n.source.Type.Messages }

func (l *loader) sources(c *component, n *yaml.Node) {
	if n == nil || isNull(n) {
		return
	}
	l.incomplete = l.incomplete || n.Kind != yaml.MappingNode
	c.entries(n, "sources", func(name string, key, value *yaml.Node) {
		l.source(name, key, target(value))
	})
}

// source reads one source: one key says its kind, session is the node's, and
// all others are the kind's settings.
func (l *loader) source(name string, key, n *yaml.Node) {
	label := fmt.Sprintf("source %q", name)
	c := &component{decoder: l.decoder, about: label, node: n}
	src := &node{label: label, name: name, yaml: n, source: &Source{Name: name, Line: key.Line}, keys: c}
	l.add(src, key)
	kinds := l.sourceKinds(c, n)
	switch {
	case n.Kind != yaml.MappingNode:
		c.wrong(n, "", "must be a map such as {%s: …}, got %s", firstOf(l.reg.Sources(), "track"), got(n))
		return
	case len(kinds) == 0:
		c.wrong(key, "", "says no kind of source: one of %s", or(l.reg.Sources()))
		return
	case len(kinds) > 1:
		c.wrong(key, "", "%s exclude each other", and(kinds))
		return
	}
	src.known = true
	src.source.Type, _ = l.reg.Source(kinds[0])
	if s := entry(n, "session"); s != nil {
		var f sourceFile
		c.value(s, settable(&f.Session), "session")
		src.source.Session = f.Session
	}
	src.cfg = src.source.Type.NewConfig()
	src.source.Config = src.cfg
	src.config = &component{decoder: l.decoder, about: label}
	l.configure(src, without(n, "session"))
}

// sourceKinds are the keys of a source that name its kind: one, if all is well. A
// misspelt one is put right.
func (l *loader) sourceKinds(c *component, n *yaml.Node) []string {
	var kinds []string
	for _, p := range pairs(n) {
		if _, ok := l.reg.Source(p.key.Value); ok {
			kinds = append(kinds, p.key.Value)
		}
	}
	if len(kinds) > 0 {
		return kinds
	}
	for _, p := range pairs(n) {
		if meant := expr.Meant(p.key.Value, l.reg.Sources()); meant != "" {
			c.wrong(p.key, "", "unknown kind of source %q, did you mean %q?", shorten(p.key.Value), meant)
			p.key.Value = meant
			return []string{meant}
		}
	}
	return nil
}

func (l *loader) stage(n *yaml.Node, label string) {
	f := newStageFile()
	kindName := l.typeOf(n, label, "stage", &f)
	kind, known := l.reg.Stage(kindName)
	st := &node{stage: &Stage{Type: kind}, known: known}
	var newConfig func() any
	if known {
		newConfig = kind.NewConfig
		st.stage.Pixels, st.stage.Sets = kind.Pixels, kind.Sets
	}
	l.begin(st, n, label, "stage", &f, newConfig)
	st.stage.Config = st.cfg
	l.finishNode(st, f.nodeFile)
	s := st.stage
	if refined, ok := st.cfg.(interface{ Sets() []pipeline.AnyKind }); ok {
		s.Sets = refined.Sets()
	}
	s.Async, s.Workers = f.Async, f.Workers
	s.TTL, s.Deadline = f.TTL.Std(), f.Deadline.Std()
	if known {
		l.stageRules(st, f)
	} else {
		l.unknownType(st, kindName, l.reg.Stages(), "stages")
	}
	if s.TTL == 0 && !has(n, "ttl") && (s.Async || s.Rate > 0) {
		s.TTL = defaultTTL
		if s.Rate > 0 {
			s.TTL = max(s.TTL, time.Duration(2/s.Rate*float64(time.Second)))
		}
	}
}

// stageRules are those of keys that do not go together, or not with the kind.
func (l *loader) stageRules(n *node, f stageFile) {
	s := n.stage
	writes := s.Pixels.Write != pipeline.NoWrite
	if f.Async && writes {
		n.wrong("async", "%s changes the picture, and only stages that do not may work beside the line", s.Type.Name)
	}
	if f.Rate > 0 && writes {
		n.wrong("rate", "%s changes the picture, and only stages that do not may leave frames out", s.Type.Name)
	}
	if has(n.yaml, "ttl") && !f.Async && f.Rate == 0 {
		n.wrong("ttl", "is for stages with async or rate, whose results are held")
	}
	switch {
	case f.Workers > 1 && !s.Type.Stateless:
		n.wrong("workers", "%s takes one frame after the other and allows 1, got %d", s.Type.Name, f.Workers)
	case f.Workers > 1 && f.Async:
		n.wrong("workers", "an async stage has 1, got %d", f.Workers)
	case f.Workers > l.spec.MaxInFlight:
		l.warn(n, "max_in_flight: %d keeps at most that many of its %d workers busy", l.spec.MaxInFlight, f.Workers)
	}
	if f.Deadline <= 0 {
		n.wrong("deadline", "must be above 0s")
	}
}

func (l *loader) sink(n *yaml.Node, label string) {
	f := newSinkFile()
	kindName := l.typeOf(n, label, "sink", &f)
	kind, known := l.reg.Sink(kindName)
	si := &node{sink: &Sink{Type: kind, Edge: kind.Edge}, known: known}
	var newConfig func() any
	if known {
		newConfig = kind.NewConfig
		si.sink.Pixels = kind.Pixels
	}
	l.begin(si, n, label, "sink", &f, newConfig)
	si.sink.Config = si.cfg
	l.finishNode(si, f.nodeFile)
	s := si.sink
	s.Hold, s.Cooldown = f.Hold.Std(), f.Cooldown.Std()
	edges := []string{string(pipeline.Rise), string(pipeline.Fall), string(pipeline.OnChange), string(pipeline.While)}
	if si.oneOf("edge", f.Edge, edges) {
		s.Edge = pipeline.Edge(f.Edge)
	}
	for _, key := range []string{"edge", "hold", "cooldown"} {
		if has(n, key) && !has(n, "when") {
			si.wrong(key, "refines when, and there is no when")
		}
	}
	if refined, ok := si.cfg.(interface{ Queue() pipeline.Queue }); ok {
		s.Type.Queue = refined.Queue()
	}
	s.Queue = si.queue(f.Queue, s.Type.Queue)
	s.Audio = f.Audio
	s.Encoded = kind.Encoded
	if refined, ok := si.cfg.(interface{ Encoded() bool }); ok {
		s.Encoded = refined.Encoded()
	}
	if !known {
		l.unknownType(si, kindName, l.reg.Sinks(), "sinks")
	}
}

// queue returns the queue that the file asks for: what it leaves out is the
// kind's.
func (n *node) queue(f *queueFile, kind pipeline.Queue) *pipeline.Queue {
	if f == nil {
		return nil
	}
	q := kind
	at := entry(n.yaml, "queue")
	if has(at, "depth") {
		q.Depth = f.Depth
	}
	ways := []string{string(pipeline.DropOldest), string(pipeline.DropNewest), string(pipeline.Block)}
	if f.OnFull != "" {
		q.OnFull = pipeline.OnFull(f.OnFull)
		if !slices.Contains(ways, f.OnFull) {
			n.keys.wrong(keyNode(at, "on_full"), "queue.on_full", "must be %s, got %s", or(ways), shorten(f.OnFull))
		}
	}
	return &q
}

// typeOf returns the kind of a stage or sink whose keys are those of f. The keys
// that say whose mistakes are told, and by which kind, are put right first.
func (l *loader) typeOf(n *yaml.Node, label, word string, f any) string {
	c := &component{decoder: l.decoder, about: labelOf(n, label, word)}
	c.unknownFirst(n, fieldsOf(settable(f)), "name", "type")
	return scalarOf(n, "type")
}

// labelOf is what a stage or sink is called in messages: by its name, or else by
// its place in the file.
func labelOf(n *yaml.Node, place, word string) string {
	if name := scalarOf(n, "name"); name != "" {
		return fmt.Sprintf("%s %q", word, shorten(name))
	}
	return place
}

// begin reads the keys of a stage or sink into f, and its config.
func (l *loader) begin(n *node, at *yaml.Node, label, word string, f any, newConfig func() any) {
	n.yaml, n.label, n.name = at, labelOf(at, label, word), scalarOf(at, "name")
	n.keys = &component{decoder: l.decoder, about: n.label}
	if newConfig != nil {
		n.cfg = newConfig()
		n.keys.elsewhere = func(key string) string {
			if hasField(n.cfg, key) {
				return "under config"
			}
			return ""
		}
	}
	n.keys.into(at, f)
	if at.Kind != yaml.MappingNode {
		l.incomplete = true
		return
	}
	n.common().Line = at.Line
	l.add(n, keyNode(at, "name"))
	if newConfig == nil {
		return
	}
	n.config = &component{decoder: l.decoder, about: n.label, root: "config", elsewhere: func(key string) string {
		if hasField(f, key) {
			return "beside type, not under config"
		}
		return ""
	}}
	l.configure(n, entry(at, "config"))
}

// finishNode takes over what stages and sinks have in common.
func (l *loader) finishNode(n *node, f nodeFile) {
	c := n.common()
	c.Name, c.From, c.With, c.Session = n.name, f.From, f.With, f.Session
	c.Rate, c.OnError = float64(f.Rate), defaultOnError
	n.when = f.When
	if n.oneOf("on_error", f.OnError, []string{"drop", "pass", "stop"}) {
		c.OnError = f.OnError
	}
	if p, ok := n.cfg.(interface{ Pixels() pipeline.Pixels }); ok {
		c.Pixels = p.Pixels()
	}
}

// configure reads the config of a node and validates it.
func (l *loader) configure(n *node, at *yaml.Node) {
	before := len(l.all)
	n.config.into(at, n.cfg)
	if at == nil {
		n.config.node = &yaml.Node{Line: n.yaml.Line}
	}
	if len(l.all) == before && !n.keys.misplaced && !l.holdsBroken(at) {
		n.config.validate(n.cfg)
	}
}

// holdsBroken says that a text below n could not be expanded.
func (l *loader) holdsBroken(n *yaml.Node) bool {
	if len(l.broken) == 0 || n == nil {
		return false
	}
	return l.broken[n] || slices.ContainsFunc(n.Content, l.holdsBroken)
}

func (l *loader) unknownType(n *node, name string, known []string, section string) {
	at := entry(n.yaml, "type")
	switch {
	case n.yaml.Kind != yaml.MappingNode || at != nil && (at.Kind != yaml.ScalarNode || l.broken[at] || name == ""):
		return // that was said already
	case at == nil:
		n.keys.wrong(n.yaml, "", "type is missing: one of %s", or(known))
		return
	}
	hint := expr.DidYouMean(name, known)
	if hint == "" {
		hint = ": one of " + or(known)
	}
	if _, ok := l.reg.Stage(name); ok {
		hint = ": it is a stage, and belongs under stages"
	}
	if _, ok := l.reg.Sink(name); ok {
		hint = ": it is a sink, and belongs under sinks"
	}
	if _, ok := l.reg.Source(name); ok {
		hint = fmt.Sprintf(": it is a source, and belongs under sources, as name: {%s: …}", name)
	}
	n.wrong("type", "unknown kind %q in %s%s", shorten(name), section, hint)
}

var nodeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// add takes a node in under its name.
func (l *loader) add(n *node, at *yaml.Node) {
	l.nodes = append(l.nodes, n)
	if l.byName == nil {
		l.byName = make(map[string]*node)
	}
	if value := entry(n.yaml, "name"); n.source == nil {
		switch {
		case value == nil:
			n.keys.wrong(at, "", "name is missing")
			l.incomplete = true
			return
		case value.Kind != yaml.ScalarNode || l.broken[value] || isNull(value):
			return // that was said already
		}
	}
	first, taken := l.byName[n.name]
	switch {
	case !nodeName.MatchString(n.name):
		n.keys.wrong(at, "", "name: must be lower-case letters, digits and _, beginning with a letter, got %s", orNothing([]byte(n.name)))
	case slices.Contains(reservedNames(), n.name):
		n.keys.wrong(at, "", "name: %s means something else already; take another", n.name)
	case taken:
		n.keys.wrong(at, "", "name: %s is that of the %s on line %d already; names are unique in a file", n.name, first.word(), first.line())
		return
	}
	l.byName[n.name] = n
}

// reservedNames are those that expressions and --set have for something else.
func reservedNames() []string {
	return append(expr.Builtins(), "frame", "time", "name", "max_in_flight", "session", "sessions", "let", "in", "not",
		"and", "or", "matches", "contains", "true", "false", "nil", "if", "else")
}

func (n *node) word() string {
	word, _, _ := strings.Cut(n.label, " ")
	return word
}

func (n *node) line() int {
	if n.source != nil {
		return n.source.Line
	}
	return n.common().Line
}

// wrong notes a mistake at one of the node's own keys.
func (n *node) wrong(key, format string, args ...any) {
	n.keys.wrong(keyNode(n.yaml, key), key, format, args...)
}

// oneOf says that a word was written and is one of those allowed.
func (n *node) oneOf(key, word string, allowed []string) bool {
	value := entry(n.yaml, key)
	if value == nil || value.Kind != yaml.ScalarNode || isNull(value) || n.keys.broken[value] {
		return false
	}
	if !slices.Contains(allowed, word) {
		n.wrong(key, "must be %s, got %s", or(allowed), orNothing([]byte(word)))
		return false
	}
	return true
}

func has(n *yaml.Node, key string) bool { return entry(n, key) != nil }

// scalarOf returns a key's text, or "".
func scalarOf(n *yaml.Node, key string) string {
	value := entry(n, key)
	if value == nil || value.Kind != yaml.ScalarNode || isNull(value) {
		return ""
	}
	return value.Value
}
