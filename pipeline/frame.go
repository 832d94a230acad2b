package pipeline

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Meta is what is known of a frame besides its pixels and annotations.
type Meta struct {
	// Stream is the name of the source.
	Stream string
	// Seq counts the frames of the source, from 0, without gaps or steps back.
	Seq uint64
	// PTS is the presentation time on the source's own clock. It never goes
	// back, and goes on by the wall-clock gap over a reconnect.
	PTS time.Duration
	// Arrival is when the frame's last packet came, taken before any waiting.
	Arrival time.Time
	// Receiving is the time from the frame's first packet to its last, Waiting
	// from there until the decoder took it, Decoding until that gave the picture;
	// zero where there is nothing to say. Waiting is negative for a picture that
	// was decoded before it was due.
	Receiving, Waiting, Decoding time.Duration
	// SenderTime is the sender's wall-clock time of the picture by its RTCP
	// sender reports (RFC 3550 §6.4.1); zero where there are none.
	SenderTime time.Time
	// Width and Height of the picture as the source delivered it, in pixels;
	// zero for a message.
	Width, Height int
	Keyframe      bool
	// Discontinuity is set on the first frame after a break.
	Discontinuity Reason

	// FrameID, CaptureTime and UserData come from the frame metadata trailer;
	// zero without one. CaptureTime is on the sender's own clock, which has
	// nothing to do with wall time.
	FrameID     uint64
	CaptureTime time.Duration
	UserData    []byte

	// Message is the model's message that a frame of a message source is.
	Message *Message
}

// Message is something the model said.
type Message struct {
	Type string
	Data map[string]any
	At   time.Time // of its arrival
}

// Reason says why frames do not follow each other.
type Reason string

// The reasons for a break.
const (
	Reconnect Reason = "reconnect" // the same session over a new connection
	Renewal   Reason = "renewal"   // a new session
	Loop      Reason = "loop"      // a file began again
	Loss      Reason = "loss"      // packets were lost and pictures left out
)

// Frame is one picture (or one message) on its way through the graph.
//
// A frame has one owner: the graph, which lends it to each stage and sink for
// the length of a call and recycles it in the end. Who is lent a frame neither
// releases it nor remembers it, for it becomes another frame. Who needs its
// pixels after the call takes a Keep of it and releases that.
//
// Several frames may hold the same pixels (a fan-out does that). Reading needs
// no care; to write, ask for them with Edit, which copies if somebody else
// holds them too. Packages such as pipeline/mat wrap View, Edit and Replace in
// the types of an image library; stages use those.
//
// A frame is used by one goroutine at a time.
type Frame struct {
	Meta

	pixels      *pixels // nil: a message, a dropped frame or a Keep of metadata
	retired     []*pixels
	stale       []*view
	geometry    Affine // from the source picture to this one
	annotations []annotation
	holder      string        // the stage that the frame is lent to
	lent        *atomic.Int64 // while f is lent: counts the Keeps that are not released
	counted     *atomic.Int64 // of a Keep: what it is counted in
	watched     string        // while f is guarded and lent: the node
	guarded     *pixels       // those that it was lent
	keeper      string        // of a Keep that is guarded: the node
	slot        *slot
	trace       *Trace // nil: nobody asks for it
	dropped     string
	released    bool
}

// slot is one place in the graph, taken by a frame and all its shares.
type slot struct {
	refs atomic.Int32
	free func()
}

// NewFrame returns a frame that owns img; img is nil for a message.
func NewFrame(meta Meta, img Image) *Frame {
	f := spareFrame()
	f.Meta, f.geometry = meta, Identity()
	if img != nil {
		f.pixels = newPixels(img)
	}
	return f
}

// Occupy has free called once f and everything made from it with Share are
// released. It is for the graph, which calls it once, as f enters.
func (f *Frame) Occupy(free func()) { f.slot = newSlot(free) }

// Lend says which stage sets annotations from here on. It is for the graph.
func (f *Frame) Lend(stage string) { f.holder = stage }

// Count counts in kept the Keeps of f that are not released yet, from here until
// it is called with nil. Meanwhile f is lent, and a Release of it panics. It is
// for the graph.
func (f *Frame) Count(kept *atomic.Int64) { f.lent = kept }

// Share returns another frame with the same pixels and annotations for another
// branch of the graph. It counts as in flight until it is released.
func (f *Frame) Share() *Frame {
	s := f.hold()
	if f.slot != nil {
		f.slot.refs.Add(1)
		s.slot = f.slot
	}
	s.Follow(f.trace)
	return s
}

// Keep returns a frame of the caller's own with the pixels and annotations that
// f has now. It does not count as in flight. The caller releases it.
func (f *Frame) Keep() *Frame {
	k := f.hold()
	if f.lent != nil && k.pixels != nil {
		k.counted = f.lent
		k.counted.Add(1)
	}
	f.keep(k)
	return k
}

func (f *Frame) hold() *Frame {
	k := f.KeepMeta()
	if f.pixels != nil {
		k.pixels = f.pixels.hold()
	}
	return k
}

// KeepMeta is Keep without the pixels.
func (f *Frame) KeepMeta() *Frame {
	// The clipped capacity makes the copy's next annotation move to memory of
	// its own. f still appends in place, behind what the copy sees: of all
	// frames over that memory only one is unclipped, so nobody else does.
	n := len(f.annotations)
	k := spareFrame()
	k.Meta, k.geometry, k.annotations = f.Meta, f.geometry, f.annotations[:n:n]
	k.holder, k.dropped = f.holder, f.dropped
	return k
}

// StandIn makes into a frame that can travel in f's place if f does not come
// back: with the metadata and annotations that f has now and without pixels.
// Once it does travel, f's place in the graph is its own, and f is given up with
// Drop instead of Release. It is for the graph, which makes one before each call
// that may hang; it allocates nothing.
func (f *Frame) StandIn(into *Frame) {
	n := len(f.annotations)
	*into = Frame{
		Meta: f.Meta, geometry: f.geometry, annotations: f.annotations[:n:n],
		holder: f.holder, dropped: f.dropped, slot: f.slot, trace: f.trace,
	}
}

// Release gives up f. It panics when f was released before, or is lent.
func (f *Frame) Release() error {
	if f.lent != nil {
		panic("pipeline: a frame that is lent is not released: Keep it, and release that")
	}
	if f.released {
		panic("pipeline: frame released twice")
	}
	f.released = true
	if f.counted != nil {
		f.counted.Add(-1)
	}
	err := f.releasePixels()
	if f.slot != nil {
		f.slot.leave()
	}
	f.trace.Release()
	return err
}

func (f *Frame) releasePixels() error {
	var errs []error // of each frame: nothing is allocated where all is well
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if f.pixels != nil {
		if f.keeper != "" {
			f.pixels.guard.hold(f.keeper, -1)
		}
		note(f.pixels.release())
		f.pixels = nil
	}
	for _, p := range f.retired {
		note(p.release())
	}
	for _, v := range f.stale {
		note(v.end())
	}
	clear(f.retired)
	clear(f.stale)
	f.retired, f.stale = f.retired[:0], f.stale[:0]
	return errors.Join(errs...)
}

// Drop takes the pixels from f and marks it. A dropped frame travels on so that
// order stays exact; stages and sinks are not called with it.
func (f *Frame) Drop(reason string) error {
	if f.dropped == "" {
		f.dropped = reason
	}
	return f.releasePixels()
}

// Dropped returns why f was dropped, or "".
func (f *Frame) Dropped() string { return f.dropped }

// Image returns the picture as it is, or nil. It is for reading, and valid
// while the frame is lent or until the next Edit or Replace.
func (f *Frame) Image() Image {
	if f.pixels == nil {
		return nil
	}
	return f.pixels.image
}

// errReleased is what is wrong with a frame that is used by who remembered it.
var errReleased = fmt.Errorf("%w: the frame was released; Keep it for later", ErrNoPixels)

// NoPixels says, of a frame without Image, why there is none: an error that wraps
// ErrNoPixels.
func (f *Frame) NoPixels() error {
	if f.released {
		return errReleased
	}
	return ErrNoPixels
}

// Geometry returns the transform from positions in the source picture to
// positions in this one.
func (f *Frame) Geometry() Affine { return f.geometry }

// View returns the picture in another format, converted on first use and once
// for everybody who holds the same pixels. The frame owns the result, which is
// for reading. ErrNoPixels without a picture.
func (f *Frame) View(to Format, convert func(src Image) (Image, error)) (Image, error) {
	if f.pixels == nil {
		return nil, f.NoPixels()
	}
	return f.pixels.view(to, convert)
}

// Edit returns an image that only f holds, for writing: the present one if that
// is so already and writable accepts it, else the one that private makes, which
// replaces it. Images lent before stay valid until f is released. Those that are
// the present picture itself, or share its memory, show what is written; those
// converted or replaced show the picture as it was. A View taken before Edit may
// thus show the edit: clone it if you need the old picture.
func (f *Frame) Edit(writable func(Image) bool, private func(src Image) (Image, error)) (Image, error) {
	if f.pixels == nil {
		return nil, f.NoPixels()
	}
	if f.pixels.sole() && writable(f.pixels.image) {
		if f.pixels.guard != nil {
			f.pixels.guard.edited()
		}
		f.stale = f.pixels.takeViews(f.stale)
		return f.pixels.image, nil
	}
	img, err := private(f.pixels.image)
	if err != nil {
		return nil, err
	}
	f.Replace(img, Identity())
	return img, nil
}

// Replace gives f a new picture, which it owns from here on. moved maps
// positions in the old picture to positions in the new one.
func (f *Frame) Replace(img Image, moved Affine) {
	if f.pixels != nil {
		f.retired = append(f.retired, f.pixels)
	}
	guarded := f.pixels != nil && f.pixels.guard != nil
	f.pixels = newPixels(img)
	if guarded {
		f.pixels.guard = newGuard() // which has seen nothing yet
	}
	f.geometry = f.geometry.Then(moved)
}
