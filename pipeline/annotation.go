package pipeline

import (
	"reflect"
	"time"
)

// Kind names one kind of annotation whose values have type T. Kinds are
// declared once, as package variables, and compared by name.
type Kind[T any] struct {
	name        string
	mapGeometry func(T, Affine) T
}

// NewKind returns a kind. mapGeometry returns a copy of a value with its
// positions moved by a transform; it is nil for kinds that have none.
func NewKind[T any](name string, mapGeometry func(v T, by Affine) T) *Kind[T] {
	return &Kind[T]{name: name, mapGeometry: mapGeometry}
}

// AnyKind is a [Kind] whatever its values are.
type AnyKind interface {
	Name() string
	// Type is the type of the kind's values.
	Type() reflect.Type
	move(value any, by Affine) any
}

// Name returns what the kind is called in expressions and JSON.
func (k *Kind[T]) Name() string { return k.name }

// Type returns the type of the kind's values.
func (k *Kind[T]) Type() reflect.Type { return reflect.TypeFor[T]() }

func (k *Kind[T]) move(value any, by Affine) any {
	v, ok := value.(T)
	if !ok || k.mapGeometry == nil || by == Identity() {
		return value
	}
	return k.mapGeometry(v, by)
}

// annotation is one value that one stage set, its positions in the pixels of
// the source picture.
type annotation struct {
	stage string
	kind  AnyKind
	value any
	held  *Origin // nil: set on this very frame
}

// Origin says how old a result is.
type Origin struct {
	Seq uint64 // of the frame that the stage looked at
	// Age is the time between that frame and this one, by PTS.
	Age time.Duration
	// Fresh is true on one frame only: the first that carries the result.
	Fresh bool
}

// Set annotates f with v, in the name of the stage that f is lent to. Positions
// in v are in the pixels of f. v belongs to the frame from here on and is never
// changed again: to change an annotation, copy it and set the copy.
func Set[T any](f *Frame, k *Kind[T], v T) { SetAny(f, k, v) }

// SetAny is [Set] for callers that know a kind by its name only. v has the type
// that k.Type says.
func SetAny(f *Frame, k AnyKind, v any) {
	f.annotations = append(f.annotations, annotation{
		stage: f.holder, kind: k, value: k.move(v, f.geometry.Inverse()),
	})
}

// Get returns the annotation of kind k that was set last on f's way, in the
// pixels of f. It is not to be changed.
func Get[T any](f *Frame, k *Kind[T]) (T, bool) {
	return find(f, k, func(*annotation) bool { return true })
}

// GetFrom returns the annotation of kind k that the named stage set.
func GetFrom[T any](f *Frame, stage string, k *Kind[T]) (T, bool) {
	return find(f, k, func(a *annotation) bool { return a.stage == stage })
}

func find[T any](f *Frame, k *Kind[T], wanted func(*annotation) bool) (T, bool) {
	for i := len(f.annotations) - 1; i >= 0; i-- {
		a := &f.annotations[i]
		if a.kind.Name() != k.name || !wanted(a) {
			continue
		}
		v, ok := a.kind.move(a.value, f.geometry).(T)
		return v, ok
	}
	var none T
	return none, false
}

// Lookup is [GetFrom] for callers that know stage and kind by name only.
func (f *Frame) Lookup(stage, kind string) (any, bool) {
	for i := len(f.annotations) - 1; i >= 0; i-- {
		a := &f.annotations[i]
		if a.stage == stage && a.kind.Name() == kind {
			return a.kind.move(a.value, f.geometry), true
		}
	}
	return nil, false
}

// Origin returns how old the results of the named stage on f are. It is false
// where the stage set nothing.
func (f *Frame) Origin(stage string) (Origin, bool) {
	for i := len(f.annotations) - 1; i >= 0; i-- {
		a := &f.annotations[i]
		if a.stage != stage {
			continue
		}
		if a.held != nil {
			return *a.held, true
		}
		return Origin{Seq: f.Seq, Fresh: true}, true
	}
	return Origin{}, false
}

// Results is what one stage set on one frame, to be held on later ones.
type Results struct {
	seq         uint64
	pts         time.Duration
	annotations []annotation
}

// Results returns what the named stage set on f.
func (f *Frame) Results(stage string) Results {
	r := Results{seq: f.Seq, pts: f.PTS}
	for _, a := range f.annotations {
		if a.stage == stage && a.held == nil {
			r.annotations = append(r.annotations, a)
		}
	}
	return r
}

// Empty says that the stage set nothing.
func (r Results) Empty() bool { return len(r.annotations) == 0 }

// PTS returns the time stamp of the frame that the stage looked at.
func (r Results) PTS() time.Duration { return r.pts }

// Hold puts results of an earlier frame on f. fresh says that f is the first to
// carry them.
func (f *Frame) Hold(r Results, fresh bool) {
	origin := &Origin{Seq: r.seq, Age: f.PTS - r.pts, Fresh: fresh}
	for _, a := range r.annotations {
		a.held = origin
		f.annotations = append(f.annotations, a)
	}
}

// Join adds those annotations of other to f that f does not carry itself.
func (f *Frame) Join(other *Frame) {
	own := len(f.annotations)
	for _, a := range other.annotations {
		if !carries(f.annotations[:own], a) {
			f.annotations = append(f.annotations, a)
		}
	}
}

func carries(annotations []annotation, wanted annotation) bool {
	for _, a := range annotations {
		if a.stage == wanted.stage && a.kind.Name() == wanted.kind.Name() {
			return true
		}
	}
	return false
}
