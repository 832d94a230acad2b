package expr

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Scope is what names mean in one node's expressions.
type Scope struct {
	// Stages are those upstream of the node, with what each of them sets.
	Stages map[string][]pipeline.AnyKind
	// Messages are the message sources of the pipeline: every node may read
	// what they yielded last.
	Messages []string
	// Self is the message source whose messages the node is fed with: there the
	// name means the message in hand, not the last one.
	Self string
	// Elsewhere are nodes that exist but are not upstream.
	Elsewhere []string
	// Dir is the folder that files to be uploaded are relative to.
	Dir string
}

// Input is what an expression is evaluated on.
type Input struct {
	// Frame in hand; nil where there is none.
	Frame *pipeline.Frame
	// LastMessage is [pipeline.Env.LastMessage].
	LastMessage func(source string) (pipeline.Message, bool)
	Now         time.Time
	// Still makes a file of the frame's picture; nil where nobody can.
	Still func(pipeline.Still) (pipeline.Upload, error)
}

// Origin is what `people.origin` is.
type Origin struct {
	Seq   int     `expr:"seq"`
	Age   float64 `expr:"age"` // in seconds
	Fresh bool    `expr:"fresh"`
}

// place is one thing that an expression can read.
type place struct {
	path string
	typ  reflect.Type
	read func(in *Input) (v any, present bool)
}

// base is what a name stands for, as a word, and the places under it.
type base struct {
	word   string
	places map[string]place
}

// base returns what a name stands for.
func (s *Scope) base(name string) (base, bool) {
	if name == "frame" {
		return base{word: "frame", places: framePlaces()}, true
	}
	if slices.Contains(s.Messages, name) {
		return base{fmt.Sprintf("message source %q", name), messagePlaces(name, s.Self)}, true
	}
	if kinds, ok := s.Stages[name]; ok {
		return base{fmt.Sprintf("stage %q", name), stagePlaces(name, kinds)}, true
	}
	return base{}, false
}

// place returns what name.field reads.
func (s *Scope) place(name, field string) (place, error) {
	b, _ := s.base(name)
	if p, ok := b.places[field]; ok {
		return p, nil
	}
	if len(b.places) == 0 {
		return place{}, fmt.Errorf("%s sets no annotations", b.word)
	}
	if hint := DidYouMean(field, slices.Sorted(maps.Keys(b.places))); hint != "" {
		return place{}, fmt.Errorf("%s has no %q%s", b.word, field, hint)
	}
	return place{}, fmt.Errorf("%s has no %q; it has %s", b.word, field, list(b.places))
}

// bare returns what a kind's own name reads: the one upstream stage's that sets
// it.
func (s *Scope) bare(kind string) (place, bool, error) {
	var paths []string
	var found place
	for _, stage := range slices.Sorted(maps.Keys(s.Stages)) {
		for _, k := range s.Stages[stage] {
			if k.Name() == kind {
				found = annotationPlace(stage, k)
				paths = append(paths, found.path)
			}
		}
	}
	if len(paths) > 1 {
		return place{}, false, fmt.Errorf("%s could be %s: say which", kind, strings.Join(paths, " or "))
	}
	return found, len(paths) == 1, nil
}

// names returns every name that an expression may begin with.
func (s *Scope) names() []string {
	names := append([]string{"frame", "date", "time"}, s.Messages...)
	for stage, kinds := range s.Stages {
		names = append(names, stage)
		for _, k := range kinds {
			names = append(names, k.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// env describes the names to the type checker.
func (s *Scope) env() types.Map {
	env := types.Map{"time": types.String}
	for _, name := range s.names() {
		if b, ok := s.base(name); ok {
			env[name] = b.env()
		} else if p, ok, _ := s.bare(name); ok {
			env[name] = typeOf(p.typ)
		}
	}
	return env
}

func (b base) env() types.Map {
	env := types.Map{}
	for field, p := range b.places {
		env[field] = typeOf(p.typ)
	}
	return env
}

func typeOf(t reflect.Type) types.Type {
	if t.Kind() == reflect.Interface {
		return types.Any
	}
	return types.TypeOf(reflect.Zero(t).Interface())
}

func stagePlaces(stage string, kinds []pipeline.AnyKind) map[string]place {
	if len(kinds) == 0 {
		return nil
	}
	places := map[string]place{"origin": {
		path: stage + ".origin", typ: reflect.TypeFor[Origin](),
		read: func(in *Input) (any, bool) {
			if in.Frame == nil {
				return nil, false
			}
			o, ok := in.Frame.Origin(stage)
			return Origin{int(o.Seq), o.Age.Seconds(), o.Fresh}, ok
		},
	}}
	for _, k := range kinds {
		places[k.Name()] = annotationPlace(stage, k)
	}
	return places
}

func annotationPlace(stage string, k pipeline.AnyKind) place {
	return place{
		path: stage + "." + k.Name(), typ: k.Type(),
		read: func(in *Input) (any, bool) {
			if in.Frame == nil {
				return nil, false
			}
			return in.Frame.Lookup(stage, k.Name())
		},
	}
}

func messagePlaces(source, self string) map[string]place {
	message := func(in *Input) (pipeline.Message, bool) {
		if source == self && in.Frame != nil && in.Frame.Message != nil {
			return *in.Frame.Message, true
		}
		if in.LastMessage == nil {
			return pipeline.Message{}, false
		}
		return in.LastMessage(source)
	}
	return map[string]place{
		"type": {source + ".type", reflect.TypeFor[string](), func(in *Input) (any, bool) {
			m, ok := message(in)
			return m.Type, ok
		}},
		"data": {source + ".data", reflect.TypeFor[map[string]any](), func(in *Input) (any, bool) {
			m, ok := message(in)
			return m.Data, ok
		}},
		"age": {source + ".age", reflect.TypeFor[float64](), func(in *Input) (any, bool) {
			m, ok := message(in)
			return in.Now.Sub(m.At).Seconds(), ok
		}},
	}
}

func framePlaces() map[string]place {
	places := make(map[string]place)
	add := func(field string, typ reflect.Type, read func(f *pipeline.Frame) (any, bool)) {
		places[field] = place{"frame." + field, typ, func(in *Input) (any, bool) {
			if in.Frame == nil {
				return nil, false
			}
			return read(in.Frame)
		}}
	}
	integer := reflect.TypeFor[int]()
	add("seq", integer, func(f *pipeline.Frame) (any, bool) { return int(f.Seq), true })
	add("pts", reflect.TypeFor[float64](), func(f *pipeline.Frame) (any, bool) { return f.PTS.Seconds(), true })
	add("width", integer, func(f *pipeline.Frame) (any, bool) { return f.Width, f.Width > 0 })
	add("height", integer, func(f *pipeline.Frame) (any, bool) { return f.Height, f.Height > 0 })
	add("user_data", reflect.TypeFor[any](), func(f *pipeline.Frame) (any, bool) { return userData(f.UserData) })
	return places
}

// userData returns JSON as what it says and anything else as text.
func userData(data []byte) (any, bool) {
	if len(data) == 0 {
		return nil, false
	}
	var v any
	if json.Unmarshal(data, &v) == nil {
		return v, true
	}
	return string(data), true
}

// clockPlaces are texts for file names, in the time zone of the machine.
func clockPlace(name string) (place, bool) {
	layouts := map[string]string{"date": "2006-01-02", "time": "150405"}
	layout, ok := layouts[name]
	return place{name, reflect.TypeFor[string](), func(in *Input) (any, bool) {
		return in.Now.Format(layout), !in.Now.IsZero()
	}}, ok
}

// nowPlace is what `now()` reads.
func nowPlace() place {
	return place{"now", reflect.TypeFor[time.Time](), func(in *Input) (any, bool) {
		return in.Now, !in.Now.IsZero()
	}}
}

func list(places map[string]place) string {
	return strings.Join(slices.Sorted(maps.Keys(places)), ", ")
}
