package pipeline

import (
	"slices"
	"sync"
	"time"
)

// Trace is the record of one frame's way: where it was, from when to when, and
// what became of it there. Frames have one while somebody asks for traces. On a
// nil Trace every method does nothing.
//
// A trace goes on for as long as a frame follows it, or somebody holds it. It is
// safe for concurrent use.
type Trace struct {
	// Meta is the frame's.
	Meta Meta
	end  func(*Trace)

	mu    sync.Mutex // guards what follows
	spans []Span
	holds int
	over  bool
}

// Span is one part of a frame's way.
type Span struct {
	Kind SpanKind
	// Name of the node, or of a command.
	Name       string
	Begin, End time.Time
	// Dropped says why the frame was given up here, with the words of the
	// metrics' reason label.
	Dropped string
	// Err is what went wrong here.
	Err error
	// Command is what came of the command that the span is of.
	Command *CommandRecord
}

// SpanKind says what a frame did for the time of a span.
type SpanKind string

// The kinds of spans.
const (
	SpanReceive SpanKind = "receive" // its packets came, from the first to the last
	SpanQueue   SpanKind = "queue"   // it waited in front of a node, or of the decoder
	SpanDecode  SpanKind = "decode"  // it was in the decoder
	SpanSource  SpanKind = "source"  // it was refused at the entrance
	SpanStage   SpanKind = "stage"   // a stage worked on it
	SpanSink    SpanKind = "sink"    // a sink wrote it
	SpanCommand SpanKind = "command" // a command that it caused was under way
)

// NewTrace returns the record of a frame, with what its metadata says of the
// time before now and with room for more spans. end is called once, with
// the trace, when nothing follows or holds it any more, by whoever let go last:
// it must not block, and the trace is its own from then on.
func NewTrace(m Meta, room int, end func(*Trace)) *Trace {
	t := &Trace{Meta: m, end: end, spans: make([]Span, 0, room+3)}
	if m.Receiving > 0 {
		t.Add(Span{Kind: SpanReceive, Name: m.Stream, Begin: m.Arrival.Add(-m.Receiving), End: m.Arrival})
	}
	decoding := m.Arrival.Add(m.Waiting)
	if m.Waiting > 0 {
		t.Add(Span{Kind: SpanQueue, Name: m.Stream, Begin: m.Arrival, End: decoding})
	}
	if m.Decoding > 0 {
		t.Add(Span{Kind: SpanDecode, Name: m.Stream, Begin: decoding, End: decoding.Add(m.Decoding)})
	}
	return t
}

// Add adds a part of the way. It is false where the trace is over.
func (t *Trace) Add(s Span) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.spans = append(t.spans, s)
	return true
}

// Spans returns the parts so far, in the order in which they were added. They are
// not to be changed.
func (t *Trace) Spans() []Span {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.spans)
}

// Hold has the trace go on until Release. It is false where it is over.
func (t *Trace) Hold() bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.holds++
	}
	return !t.over
}

// Release takes back one Hold that was true.
func (t *Trace) Release() {
	if t == nil || !t.release() {
		return
	}
	t.end(t)
}

func (t *Trace) release() (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.holds--
	t.over = t.holds == 0
	return t.over
}

// Follow has t go on until f and all its shares are released. It is for the
// graph, which calls it once for each frame.
func (f *Frame) Follow(t *Trace) {
	if t.Hold() {
		f.trace = t
	}
}

// Trace returns the record of f's way, nil where there is none.
func (f *Frame) Trace() *Trace { return f.trace }

// Span returns the command's part of the way of the frame that caused it. now
// is the end of one that was not sent.
func (r CommandRecord) Span(now time.Time) Span {
	s := Span{Kind: SpanCommand, Name: r.Command, Begin: r.Time, End: now, Command: &r}
	if r.RoundTrip > 0 {
		s.End = r.Time.Add(r.RoundTrip)
	}
	return s
}
