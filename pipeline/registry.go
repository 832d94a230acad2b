package pipeline

import (
	"fmt"
	"maps"
	"slices"
)

// Registry knows the kinds of stages, sinks and sources that a program has.
// Kinds are registered one by one, by name, before it is used.
type Registry struct {
	stages  map[string]StageType
	sinks   map[string]SinkType
	sources map[string]SourceType
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{
		stages:  make(map[string]StageType),
		sinks:   make(map[string]SinkType),
		sources: make(map[string]SourceType),
	}
}

// Validator is a configuration that can be wrong in ways its types do not show.
// The message begins with the field. Implement it on the pointer.
type Validator interface {
	Validate() error
}

// StageKind describes one kind of stage with configuration C. If C refines what
// the kind does with pixels it has a method Pixels() Pixels, and if it refines
// what the kind sets, Sets() []AnyKind. Its fields that change while frames flow
// are tagged `live:"true"`: see [Reconfigurer].
type StageKind[C any] struct {
	// Name is what `type:` says.
	Name string
	// Default returns the configuration that a file changes; nil is the zero C.
	Default func() C
	// New returns a ready stage. It starts no goroutine and opens no device
	// unless its comment says so.
	New    func(env Env, cfg C) (Stage, error)
	Pixels Pixels
	// Sets are the kinds of annotation that the stage sets.
	Sets []AnyKind
	// Stateless allows several instances side by side (`workers: n`).
	Stateless bool
}

// SinkKind describes one kind of sink with configuration C.
type SinkKind[C any] struct {
	Name    string
	Default func() C
	New     func(env Env, cfg C) (Sink, error)
	Pixels  Pixels
	// Queue is the kind's default; zero is 30 frames, the oldest dropped. If C
	// refines it, by what frames hold for it, it has a method Queue() Queue.
	Queue Queue
	// Edge is what `edge:` is by default; zero is While.
	Edge Edge
	// Session says that the sink cannot do without a session.
	Session bool
	// Encoded says that the sink is a [UnitSink]. If C decides that it has a
	// method Encoded() bool.
	Encoded bool
	// Audio says that the sink is an [AudioSink], for which a file may name a
	// source whose sound it takes. If C has a method Audio() bool, that says
	// whether the file has to name one, or must not.
	Audio bool
}

// SourceKind describes one kind of source with configuration C. Its name is
// also the key by which a file chooses it (`{track: main_video}`), and one of
// C's own fields.
type SourceKind[C any] struct {
	Name    string
	Default func() C
	New     func(env Env, cfg C) (Source, error)
	// Session says that the source cannot do without a session.
	Session bool
	// Messages says that the frames are messages, without pixels.
	Messages bool
	// Units says that the source is a [UnitSource].
	Units bool
}

// Type is what all registered kinds have in common.
type Type struct {
	Name string
	// NewConfig returns a pointer to a fresh default configuration.
	NewConfig func() any
	// Reconfigurer returns the Reconfigure of a node of the kind, for what
	// NewConfig returned; nil where the node is no [Reconfigurer].
	Reconfigurer func(node any) func(cfg any) error
}

// StageType is a registered StageKind.
type StageType struct {
	Type
	Pixels    Pixels
	Sets      []AnyKind
	Stateless bool
	// Build makes a stage from what NewConfig returned.
	Build func(env Env, cfg any) (Stage, error)
}

// SinkType is a registered SinkKind.
type SinkType struct {
	Type
	Pixels  Pixels
	Queue   Queue
	Edge    Edge
	Session bool
	Encoded bool
	Audio   bool
	Build   func(env Env, cfg any) (Sink, error)
}

// SourceType is a registered SourceKind.
type SourceType struct {
	Type
	Session  bool
	Messages bool
	Units    bool
	Build    func(env Env, cfg any) (Source, error)
}

// RegisterStage adds a kind of stage. It panics when the name is taken.
func RegisterStage[C any](r *Registry, k StageKind[C]) {
	add(r.stages, k.Name, StageType{
		Type: newType(k.Name, k.Default), Pixels: k.Pixels, Sets: k.Sets, Stateless: k.Stateless,
		Build: func(env Env, cfg any) (Stage, error) { return k.New(env, *cfg.(*C)) },
	})
}

// RegisterSink adds a kind of sink. It panics when the name is taken.
func RegisterSink[C any](r *Registry, k SinkKind[C]) {
	if k.Queue == (Queue{}) {
		k.Queue = Queue{Depth: 30, OnFull: DropOldest}
	}
	if k.Edge == "" {
		k.Edge = While
	}
	add(r.sinks, k.Name, SinkType{
		Type: newType(k.Name, k.Default), Pixels: k.Pixels, Queue: k.Queue, Edge: k.Edge, Session: k.Session, Encoded: k.Encoded, Audio: k.Audio,
		Build: func(env Env, cfg any) (Sink, error) { return k.New(env, *cfg.(*C)) },
	})
}

// RegisterSource adds a kind of source. It panics when the name is taken.
func RegisterSource[C any](r *Registry, k SourceKind[C]) {
	add(r.sources, k.Name, SourceType{
		Type: newType(k.Name, k.Default), Session: k.Session, Messages: k.Messages, Units: k.Units,
		Build: func(env Env, cfg any) (Source, error) { return k.New(env, *cfg.(*C)) },
	})
}

func newType[C any](name string, defaults func() C) Type {
	newConfig := func() any {
		c := new(C)
		if defaults != nil {
			*c = defaults()
		}
		return c
	}
	reconfigurer := func(node any) func(any) error {
		r, ok := node.(Reconfigurer[C])
		if !ok {
			return nil
		}
		return func(cfg any) error { return r.Reconfigure(*cfg.(*C)) }
	}
	return Type{Name: name, NewConfig: newConfig, Reconfigurer: reconfigurer}
}

func add[T any](kinds map[string]T, name string, kind T) {
	if _, taken := kinds[name]; taken {
		panic(fmt.Sprintf("pipeline: kind %q registered twice", name))
	}
	kinds[name] = kind
}

// Stage returns the kind of stage with that name.
func (r *Registry) Stage(name string) (StageType, bool) { t, ok := r.stages[name]; return t, ok }

// Sink returns the kind of sink with that name.
func (r *Registry) Sink(name string) (SinkType, bool) { t, ok := r.sinks[name]; return t, ok }

// Source returns the kind of source with that name.
func (r *Registry) Source(name string) (SourceType, bool) { t, ok := r.sources[name]; return t, ok }

// Stages returns the names of all kinds of stages, sorted.
func (r *Registry) Stages() []string { return slices.Sorted(maps.Keys(r.stages)) }

// Sinks returns the names of all kinds of sinks, sorted.
func (r *Registry) Sinks() []string { return slices.Sorted(maps.Keys(r.sinks)) }

// Sources returns the names of all kinds of sources, sorted.
func (r *Registry) Sources() []string { return slices.Sorted(maps.Keys(r.sources)) }
