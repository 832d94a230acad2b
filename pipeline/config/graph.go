package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// graph connects the nodes and checks what depends on that.
func (l *loader) graph() {
	var last *node
	for _, n := range l.nodes {
		if n.source != nil {
			continue
		}
		l.connect(n, last)
		if n.stage != nil {
			last = n
		}
	}
	l.cycles()
	for _, n := range l.nodes {
		l.joins(n)
		l.sessionOf(n)
		l.expressions(n)
	}
}

// connect finds the inputs of a stage or sink; last is the stage before it.
func (l *loader) connect(n, last *node) {
	c := n.common()
	switch {
	case has(n.yaml, "from"):
		l.input(n, "from", c.From)
	case last != nil:
		c.From = last.name
		n.inputs = append(n.inputs, last)
	default:
		l.fromSource(n)
	}
	if len(n.inputs) == 0 {
		n.lost = true
	}
	for i, name := range c.With {
		if name == c.From || slices.Contains(c.With[:i], name) {
			n.wrong(item("with", i), "%s is an input already", name)
			continue
		}
		l.input(n, item("with", i), name)
	}
}

// input connects n to the node that a key names.
func (l *loader) input(n *node, key, name string) {
	feeders := l.feeders(n)
	if from, ok := feeders[name]; ok {
		n.inputs = append(n.inputs, from)
		return
	}
	n.lost = true
	at := find(n.yaml, key)
	switch {
	case name == "": // that was said already
	case name == n.name:
		n.keys.wrong(at, key, "%s cannot feed itself", name)
	case l.byName[name] != nil && l.byName[name].sink != nil:
		n.keys.wrong(at, key, "%s is a sink: nothing comes out of it", name)
	default:
		n.keys.wrong(at, key, "there is no %q to take frames from%s", shorten(name), choices(name, sortedKeys(feeders)))
	}
}

// choices is what may be meant by a word, or else all that could be.
func choices(word string, known []string) string {
	if hint := expr.DidYouMean(word, known); hint != "" || len(known) == 0 {
		return hint
	}
	return ": it could be " + or(known)
}

// feeders are the nodes that n can have as inputs.
func (l *loader) feeders(n *node) map[string]*node {
	feeders := make(map[string]*node)
	for _, f := range l.nodes {
		if f != n && f.sink == nil && f.name != "" {
			feeders[f.name] = f
		}
	}
	return feeders
}

// fromSource connects a node to the pipeline's only source, or the only one
// that has pictures.
func (l *loader) fromSource(n *node) {
	var all, pictures []*node
	for _, s := range l.nodes {
		if s.source == nil {
			continue
		}
		all = append(all, s)
		if !s.messages() {
			pictures = append(pictures, s)
		}
	}
	choice := all
	if len(pictures) > 0 {
		choice = pictures
	}
	switch len(choice) {
	case 0:
	case 1:
		n.common().From = choice[0].name
		n.inputs = append(n.inputs, choice[0])
	default:
		n.keys.wrong(n.yaml, "from", "is missing: it could be %s", or(namesOf(choice)))
	}
}

func namesOf(nodes []*node) []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.name)
	}
	return names
}

// cycles finds nodes that feed themselves through others, and cuts them.
func (l *loader) cycles() {
	const unseen, onPath, done = 0, 1, 2
	state := make(map[*node]int)
	var path []*node
	var visit func(n *node)
	visit = func(n *node) {
		state[n] = onPath
		path = append(path, n)
		n.inputs = slices.DeleteFunc(n.inputs, func(in *node) bool {
			if state[in] == unseen {
				visit(in)
			}
			if state[in] != onPath {
				return false
			}
			l.cycle(path[slices.Index(path, in):])
			n.lost = true
			return true
		})
		path = path[:len(path)-1]
		state[n] = done
	}
	for _, n := range l.nodes {
		if state[n] == unseen {
			visit(n)
		}
	}
}

// cycle notes one, as a path along which frames flow. path goes against them.
func (l *loader) cycle(path []*node) {
	path = slices.Clone(path)
	slices.Reverse(path)
	first := 0
	for i, n := range path {
		if n.line() < path[first].line() {
			first = i
		}
	}
	path = append(path[first:], path[:first]...)
	names := append(namesOf(path), path[0].name)
	path[0].wrong("from", "frames go round in a circle: %s", strings.Join(names, " → "))
}

// upstream returns all nodes that n's frames and annotations come through, and
// whether that is all that the file means.
func (n *node) upstream() (nodes []*node, complete bool) {
	seen := map[*node]bool{n: true}
	complete = !n.lost
	for queue := slices.Clone(n.inputs); len(queue) > 0; queue = queue[1:] {
		in := queue[0]
		if seen[in] {
			continue
		}
		seen[in] = true
		nodes = append(nodes, in)
		complete = complete && !in.lost
		queue = append(queue, in.inputs...)
	}
	return nodes, complete
}

// root returns the source that n's frames come from, or nil.
func (n *node) root() *node {
	for n.source == nil {
		if len(n.inputs) == 0 {
			return nil
		}
		n = n.inputs[0]
	}
	return n
}

// joins checks that all inputs come from one source, and that nobody asks a
// message for pixels.
func (l *loader) joins(n *node) {
	if n.source != nil || n.lost {
		return
	}
	root := n.root()
	if n.sink != nil && n.sink.Encoded {
		n.takesUnits(n.inputs[0])
	}
	if n.sink != nil && n.known && root != nil {
		l.sound(n, root)
	}
	for _, in := range n.inputs[1:] {
		if other := in.root(); root != nil && other != nil && other != root {
			n.wrong("with", "%s comes from %s, and the picture from %s: what is joined must come from one source",
				in.name, other.name, root.name)
		}
	}
	if root != nil && root.messages() && n.known && n.common().Pixels != (pipeline.Pixels{}) {
		n.wrong("from", "%s is a source of messages, and this needs pictures", root.name)
	}
}

// takesUnits checks that a sink finds pictures there that are not decoded yet.
func (n *node) takesUnits(from *node) {
	switch {
	case from.source == nil, from.messages():
		n.wrong("from", "it takes pictures as they come, not yet decoded, and so must be a source of pictures, got %s", from.name)
	case from.known && !from.source.Type.Units:
		n.wrong("from", "it takes pictures as they come, not yet decoded, and %s, a source of kind %s, has none", from.name, from.source.Type.Name)
	}
}

// sound checks where a sink takes sound from.
func (l *loader) sound(n, root *node) {
	name := n.sink.Audio
	from := l.byName[name]
	refined, decides := n.cfg.(interface{ Audio() bool })
	switch {
	case decides && refined.Audio() && name == "":
		n.keys.wrong(n.yaml, "audio", "is missing: its config wants sound, which could be that of %s", root.name)
	case decides && !refined.Audio() && name != "":
		n.wrong("audio", "%s takes sound only where its config says what for", n.sink.Type.Name)
	case name == "":
	case !n.sink.Type.Audio:
		n.wrong("audio", "%s takes no sound", n.sink.Type.Name)
	case from == nil || from.source == nil:
		n.wrong("audio", "there is no source %q%s", shorten(name), choices(name, []string{root.name}))
	case from != root:
		n.wrong("audio", "must be %s, which the frames come from, got %s", root.name, name)
	case from.known && isSilent(from):
		n.wrong("audio", "%s has no sound: sources of the kind %s are pictures alone, those of track and file may have some", name, from.source.Type.Name)
	case from.known && !hasAudio(from):
		n.wrong("audio", "%s has no sound: a source names it, as in {track: main_video, audio: main_audio}", name)
	}
}

// isSilent says that no source of this kind has sound.
func isSilent(source *node) bool {
	_, ok := source.cfg.(pipeline.AudioUser)
	return !ok
}

func hasAudio(source *node) bool {
	user, ok := source.cfg.(pipeline.AudioUser)
	return ok && user.HasAudio()
}

// sessionOf finds the session that a node uses.
func (l *loader) sessionOf(n *node) {
	name, needs := l.sessionField(n)
	var names []string
	for _, s := range l.spec.Sessions {
		names = append(names, s.Name)
	}
	switch {
	case *name != "" && !slices.Contains(names, *name):
		n.wrong("session", "there is no session %q%s", shorten(*name), choices(*name, names))
	case *name != "":
	case len(names) == 1:
		*name = names[0]
	case needs && len(names) == 0 && !has(l.root, "sessions"):
		n.keys.wrong(n.yaml, "", "needs a session, and the file has none")
	case needs && len(names) > 1:
		n.keys.wrong(n.yaml, "session", "is missing: it could be %s", or(names))
	}
}

// sessionField returns the session's name of a node, and whether its kind
// cannot do without.
func (l *loader) sessionField(n *node) (name *string, needs bool) {
	if n.source != nil {
		return &n.source.Session, n.source.Type.Session
	}
	return &n.common().Session, n.sink != nil && n.sink.Type.Session
}

// expressions compiles those of a node.
func (l *loader) expressions(n *node) {
	scope := l.scope(n)
	if n.when != "" {
		program, err := expr.Compile(n.when, scope)
		if err != nil {
			n.wrong("when", "%v", err)
		} else {
			n.common().When = program
		}
	}
	if n.config == nil {
		return
	}
	before := len(l.all)
	n.config.check(scope)
	if len(l.all) == before {
		n.config.checkItself(n.cfg, scope)
	}
}

// scope returns what the names mean in a node's expressions.
func (l *loader) scope(n *node) *expr.Scope {
	s := &expr.Scope{Stages: make(map[string][]pipeline.AnyKind), Dir: l.spec.Dir}
	nodes, complete := n.upstream()
	if !complete {
		nodes = l.nodes // no complaints about what may well be upstream
	}
	for _, in := range nodes {
		if in.stage != nil && in != n {
			s.Stages[in.name] = l.sets(in)
		}
	}
	for _, other := range l.nodes {
		if other.messages() {
			s.Messages = append(s.Messages, other.name)
		} else if _, known := s.Stages[other.name]; !known {
			s.Elsewhere = append(s.Elsewhere, other.name)
		}
	}
	if root := n.root(); root != nil && root.messages() {
		s.Self = root.name
	}
	return s
}

// sets returns what a stage sets: for one of an unknown kind, anything.
func (l *loader) sets(n *node) []pipeline.AnyKind {
	if n.known {
		return n.stage.Sets
	}
	var all []pipeline.AnyKind
	for _, name := range l.reg.Stages() {
		kind, _ := l.reg.Stage(name)
		all = append(all, kind.Sets...)
	}
	return all
}

// finish puts the nodes into the spec and warns of what leads nowhere.
func (l *loader) finish() {
	used := make(map[*node]bool)
	for _, n := range l.nodes {
		for _, in := range n.inputs {
			used[in] = true
		}
	}
	for _, n := range l.nodes {
		switch {
		case n.source != nil:
			l.spec.Sources = append(l.spec.Sources, *n.source)
		case n.stage != nil:
			l.spec.Stages = append(l.spec.Stages, *n.stage)
		default:
			l.spec.Sinks = append(l.spec.Sinks, *n.sink)
		}
		if n.sink == nil && !n.messages() && !used[n] {
			l.warn(n, "nothing takes its frames")
		}
	}
}

func (l *loader) warn(n *node, format string, args ...any) {
	l.spec.Warnings = append(l.spec.Warnings,
		fmt.Sprintf("%s:%d: %s: %s", l.spec.Path, n.line(), n.label, fmt.Sprintf(format, args...)))
}
