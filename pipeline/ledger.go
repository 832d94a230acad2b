package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"time"
)

// Outcome says what became of a command.
type Outcome string

// The outcomes of a command.
const (
	CommandSent       Outcome = "sent"       // the model took it
	CommandRefused    Outcome = "refused"    // the model refused it
	CommandFailed     Outcome = "failed"     // it did not reach the model, or no answer came
	CommandExpired    Outcome = "expired"    // it waited longer than its time to live
	CommandSuperseded Outcome = "superseded" // a newer decision took its place while it waited
	CommandDeduped    Outcome = "deduped"    // it says what the last one said
	CommandSuppressed Outcome = "suppressed" // it is part of a circle that was broken
	CommandDryRun     Outcome = "dry_run"    // nothing is sent on purpose
)

// Cause says why a command was sent; the zero value stands for a command that
// no frame caused, such as one of `start:`.
type Cause struct {
	Node   string `json:"node,omitempty"`   // the sink that decided
	Stream string `json:"stream,omitempty"` // of the frame
	Seq    uint64 `json:"seq"`              // of the frame
	// Frame is the frame with its annotations, in the one JSON form.
	Frame json.RawMessage `json:"frame,omitempty"`
	// Trace is the record of the frame's way, which the command is part of; nil
	// without one. Ledgers do not keep it.
	Trace *Trace `json:"-"`
}

// Held returns c with its trace held, for who has a decision wait: the caller
// releases that. Where the trace is over, it has none.
func (c Cause) Held() Cause {
	if !c.Trace.Hold() {
		c.Trace = nil
	}
	return c
}

type causeKey struct{}

// WithCause returns a context that tells a [Session] why a command is sent.
func WithCause(ctx context.Context, c Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// CauseOf returns what WithCause put into ctx, or the zero Cause.
func CauseOf(ctx context.Context) Cause {
	c, _ := ctx.Value(causeKey{}).(Cause)
	return c
}

// CommandRecord is one line of the ledger: what was sent, why, and what came of
// it. Neither Args nor Reply is changed once recorded.
type CommandRecord struct {
	// Time is when the command was decided on.
	Time    time.Time
	Command string
	Args    map[string]any
	Cause   Cause
	Outcome Outcome
	// Reason says why the outcome is not CommandSent.
	Reason string
	Reply  Reply
	// RoundTrip is from sending to the reply; zero if it was not sent.
	RoundTrip time.Duration
	// Effect is what the command did to the picture; nil where that is not known,
	// or not yet.
	Effect *Effect
}

// Settle fills in what [Session].Command returned: reply or error, and how long
// it took.
func (r *CommandRecord) Settle(reply Reply, err error, roundTrip time.Duration) {
	r.Reply, r.RoundTrip = reply, roundTrip
	if err == nil {
		r.Outcome, r.Reason = CommandSent, ""
		return
	}
	r.Outcome, r.Reason = CommandFailed, err.Error()
	if refused, ok := errors.AsType[*Refused](err); ok {
		r.Outcome, r.Reason = CommandRefused, refused.Reason
	}
	if held, ok := errors.AsType[*Suppressed](err); ok {
		r.Outcome, r.Reason = CommandSuppressed, held.Reason
	}
}

// Stamp returns Time as MarshalJSON writes it: it tells which command a later line
// of a ledger is about.
func (r CommandRecord) Stamp() string { return stamp(r.Time) }

// MarshalJSON returns the record as it stands in ledger files and on the web
// page.
func (r CommandRecord) MarshalJSON() ([]byte, error) {
	j := recordJSON{
		Time: r.Stamp(), Command: r.Command, Args: r.Args,
		Outcome: r.Outcome, Reason: r.Reason, RoundTripMS: milliseconds(r.RoundTrip),
	}
	if r.Cause.Node != "" || r.Cause.Stream != "" {
		j.Cause = &r.Cause
	}
	if r.Reply.Type != "" {
		j.Reply = &replyJSON{Type: r.Reply.Type, Data: r.Reply.Data}
	}
	j.Effect = r.Effect
	return json.Marshal(j)
}

type recordJSON struct {
	Time        string         `json:"time"`
	Command     string         `json:"command"`
	Args        map[string]any `json:"args,omitempty"`
	Outcome     Outcome        `json:"outcome"`
	Reason      string         `json:"reason,omitempty"`
	RoundTripMS float64        `json:"round_trip_ms,omitempty"`
	Reply       *replyJSON     `json:"reply,omitempty"`
	Effect      *Effect        `json:"effect,omitempty"`
	Cause       *Cause         `json:"cause,omitempty"`
}

type replyJSON struct {
	Type string         `json:"type"`
	Data map[string]any `json:"data,omitempty"`
}

// Ledger is a [Session] that remembers its commands: each that came to an end,
// with the Cause in its context. A try that fails with ErrNotReady is no end:
// who tries says what became of it, through [Noter].
type Ledger interface {
	// Commands returns the records made after the first n, oldest first, as
	// far as they are still kept, and the number to ask with next time. The
	// first call passes 0.
	Commands(n uint64) ([]CommandRecord, uint64)
}

// Noter is a [Session] that takes records of commands which never reached it:
// expired, superseded, deduped, dry-run.
type Noter interface {
	Note(r CommandRecord)
}

// CommandLedger keeps the newest records of a session and counts all of them.
// It is safe for concurrent use.
type CommandLedger struct {
	mu      sync.Mutex // guards all below
	ring    []CommandRecord
	added   uint64
	counted map[Outcome]uint64
}

var (
	_ Ledger = (*CommandLedger)(nil)
	_ Noter  = (*CommandLedger)(nil)
)

// NewLedger returns an empty ledger that keeps the last capacity records.
func NewLedger(capacity int) *CommandLedger {
	return &CommandLedger{ring: make([]CommandRecord, max(capacity, 1)), counted: make(map[Outcome]uint64)}
}

// Note adds a record.
func (l *CommandLedger) Note(r CommandRecord) { l.Add(r) }

// Add adds a record and returns its number.
func (l *CommandLedger) Add(r CommandRecord) (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.added%uint64(len(l.ring))] = r
	l.added++
	l.counted[r.Outcome]++
	return l.added - 1
}

// Amend says what the command of a record did to the picture.
func (l *CommandLedger) Amend(n uint64, e Effect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < l.added && l.added-n <= uint64(len(l.ring)) {
		l.ring[n%uint64(len(l.ring))].Effect = &e
	}
}

// Commands implements [Ledger].
func (l *CommandLedger) Commands(n uint64) ([]CommandRecord, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := min(l.added, uint64(len(l.ring)))
	from := max(min(n, l.added), l.added-kept)
	records := make([]CommandRecord, 0, l.added-from)
	for i := from; i < l.added; i++ {
		records = append(records, l.ring[i%uint64(len(l.ring))])
	}
	return records, l.added
}

// Counts returns how many records of each outcome there were, those no longer
// kept included.
func (l *CommandLedger) Counts() map[Outcome]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counted)
}
