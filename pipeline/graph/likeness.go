package graph

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// likeness is how a node of the file before relates to one of the same name.
type likeness uint8

const (
	kept     likeness = iota // nothing changed
	adjusted                 // it goes on with other settings or in another place
	rebuilt                  // it has to be made anew
)

// Compatible says whether a graph that runs by one file can go on by another.
// The error names everything for which the program has to be restarted.
func Compatible(before, after *config.Spec) error {
	var errs []error
	refuse := func(line int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s changed, and that needs a restart", after.Path, line, fmt.Sprintf(format, args...)))
	}
	if before.Name != after.Name {
		refuse(1, "name")
	}
	if before.MaxInFlight != after.MaxInFlight {
		refuse(1, "max_in_flight")
	}
	for _, s := range after.Sessions {
		i := slices.IndexFunc(before.Sessions, func(o config.Session) bool { return o.Name == s.Name })
		if i < 0 || !sameSession(before.Sessions[i], s) {
			refuse(s.Line, "session %q", s.Name)
		}
	}
	for _, s := range before.Sessions {
		if !slices.ContainsFunc(after.Sessions, func(o config.Session) bool { return o.Name == s.Name }) {
			refuse(1, "session %q is gone: it", s.Name)
		}
	}
	for _, s := range after.Sources {
		i := slices.IndexFunc(before.Sources, func(o config.Source) bool { return o.Name == s.Name })
		if i < 0 || !sameSource(before.Sources[i], s) {
			refuse(s.Line, "source %q", s.Name)
		}
	}
	for _, s := range before.Sources {
		if !slices.ContainsFunc(after.Sources, func(o config.Source) bool { return o.Name == s.Name }) {
			refuse(1, "source %q is gone: it", s.Name)
		}
	}
	return errors.Join(errs...)
}

// sameSession compares sessions wherever in the file they stand.
func sameSession(a, b config.Session) bool {
	for _, s := range []*config.Session{&a, &b} {
		s.Line = 0
		for _, commands := range []*[]config.SessionCommand{&s.Start, &s.Stop, &s.OnStall} {
			*commands = slices.Clone(*commands)
			for i := range *commands {
				(*commands)[i].Line = 0
			}
		}
	}
	return alike(reflect.ValueOf(a), reflect.ValueOf(b))
}

func sameSource(a, b config.Source) bool {
	return a.Type.Name == b.Type.Name && a.Session == b.Session && compareConfigs(a.Config, b.Config) == kept
}

// compareConfigs compares two configurations of one kind: they are adjusted where
// they differ in live fields only.
func compareConfigs(a, b any) likeness {
	return compareFields(reflect.Indirect(reflect.ValueOf(a)), reflect.Indirect(reflect.ValueOf(b)))
}

func compareFields(a, b reflect.Value) likeness {
	if alike(a, b) {
		return kept
	}
	if a.Kind() != reflect.Struct {
		return rebuilt
	}
	how := kept
	for i := range a.NumField() {
		switch {
		case a.Type().Field(i).Tag.Get("live") != "true":
			how = max(how, compareFields(a.Field(i), b.Field(i)))
		case !alike(a.Field(i), b.Field(i)):
			how = max(how, adjusted)
		}
	}
	return how
}

// alike is reflect.DeepEqual, but for expressions, which are the same where
// their texts are.
func alike(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		if a.Type() == reflect.TypeFor[*expr.Program]() {
			return a.Elem().FieldByName("source").String() == b.Elem().FieldByName("source").String()
		}
		return alike(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !alike(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !alike(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for _, key := range a.MapKeys() {
			if !alike(a.MapIndex(key), b.MapIndex(key)) {
				return false
			}
		}
		return true
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return a.Pointer() == b.Pointer()
	default:
		return a.Equal(b)
	}
}

// compare says whether the stage can go on by spec.
func (s *stage) compare(spec config.Stage) likeness {
	was := s.spec.Load()
	how := compareConfigs(was.Config, spec.Config)
	moved := s.moved(was.Node, spec.Node)
	switch {
	case how == rebuilt, how == adjusted && s.instances[0].reconfigure == nil, was.Type.Name != spec.Type.Name, was.Session != spec.Session,
		was.Async != spec.Async, was.Workers != spec.Workers, moved && s.hasEnded():
		return rebuilt
	case how == adjusted, moved, refined(was.Node, spec.Node), was.TTL != spec.TTL, was.Deadline != spec.Deadline:
		return adjusted
	}
	return kept
}

// compare says whether the sink can go on by spec.
func (s *sink) compare(spec config.Sink) likeness {
	was := s.spec.Load()
	how := compareConfigs(was.Config, spec.Config)
	moved := s.moved(was.Node, spec.Node)
	queue, other := was.ActualQueue(), spec.ActualQueue()
	switch {
	case how == rebuilt, how == adjusted && s.reconfigure == nil, was.Type.Name != spec.Type.Name, was.Session != spec.Session,
		was.Audio != spec.Audio, was.Encoded && was.From != spec.From, queue.Depth != other.Depth, moved && s.hasEnded():
		return rebuilt
	case how == adjusted, moved, refined(was.Node, spec.Node), queue != other,
		was.Edge != spec.Edge, was.Hold != spec.Hold, was.Cooldown != spec.Cooldown:
		return adjusted
	}
	return kept
}

// moved says that the node gets its frames from elsewhere.
func (n *node) moved(a, b config.Node) bool { return a.From != b.From || !slices.Equal(a.With, b.With) }

// refined says that the node sees other frames, or fails in another way.
func refined(a, b config.Node) bool {
	return !sameWhen(a.When, b.When) || a.Rate != b.Rate || a.OnError != b.OnError
}

func sameWhen(a, b *expr.Program) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String()
}

// adopt goes on by spec. No frame is in flight.
func (s *stage) adopt(spec config.Stage) {
	was := s.spec.Swap(&spec)
	s.when = condition{spec.When}
	if was.Rate != spec.Rate {
		s.pace = newPace(spec.Rate)
	}
	if was.Rate != spec.Rate || was.TTL != spec.TTL {
		next := s.held.refined(newHeld(spec.TTL, s.pace.period, spec.Async))
		if next != s.held { // never so for an async stage, whose call may read it now
			s.held = next
		}
	}
	if compareConfigs(was.Config, spec.Config) == adjusted {
		for _, i := range s.instances {
			i.settings.Store(&spec.Config)
		}
	}
}

// adopt goes on by spec, in the layout l. No frame is in flight.
func (s *sink) adopt(spec config.Sink, l *layout) {
	was := s.spec.Swap(&spec)
	s.when = condition{spec.When}
	if was.Rate != spec.Rate {
		s.pace = newPace(spec.Rate)
	}
	s.trigger = s.trigger.refined(spec, was)
	s.adapt(l)
	if compareConfigs(was.Config, spec.Config) == adjusted {
		s.settings.Store(&spec.Config)
	}
}

// adapt fits the sink's queue to its source: one that is not live waits.
func (s *sink) adapt(l *layout) {
	spec := s.spec.Load()
	s.queue.onFull = spec.ActualQueue().OnFull
	if e := s.graph.sourceOf(l, spec.From); e != nil && !e.source.Live() {
		s.queue.onFull = pipeline.Block
	}
}

// refined is the trigger for another version of its sink: it forgets what the
// condition said if that is another one, but not when it acted.
func (t trigger) refined(spec config.Sink, was *config.Sink) trigger {
	if !sameWhen(spec.When, was.When) || spec.Edge != was.Edge {
		t = trigger{acted: t.acted, last: t.last}
	}
	t.edge, t.hold, t.cooldown = spec.Edge, spec.Hold, spec.Cooldown
	return t
}

// refined is h with the time of next, or next where there was nothing held.
func (h *held) refined(next *held) *held {
	if h == nil || next == nil {
		return next
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ttl = next.ttl
	return h
}
