package pipeline

import (
	"encoding/json"
	"math"
	"time"
)

// Seen says whether the effect of a command was seen in the picture.
type Seen string

// What is known of a command's effect.
const (
	EffectSeen    Seen = "seen"
	EffectNotSeen Seen = "not_seen" // nothing changed that the stream's own changes do not explain
	EffectUnknown Seen = "unknown"  // no pictures to tell by, or too few before the command
)

// Effect is what a command did to the picture.
type Effect struct {
	Seen Seen
	// After is from sending the command to the arrival of the first frame that
	// shows its effect.
	After time.Duration
	// Confidence that the change is the command's, 0 to 1; zero unless it was seen.
	Confidence float64
	// Stream and Seq are those of the frame.
	Stream string
	Seq    uint64
}

// MarshalJSON returns the effect as it stands in ledgers and summaries.
func (e Effect) MarshalJSON() ([]byte, error) {
	if e.Seen != EffectSeen {
		return json.Marshal(struct {
			Seen Seen `json:"seen"`
		}{e.Seen})
	}
	return json.Marshal(struct {
		Seen       Seen    `json:"seen"`
		AfterMS    float64 `json:"after_ms"`
		Confidence float64 `json:"confidence"`
		Stream     string  `json:"stream"`
		Seq        uint64  `json:"seq"`
	}{e.Seen, milliseconds(e.After), math.Round(e.Confidence*1000) / 1000, e.Stream, e.Seq})
}

// Effects are those of all commands of one name.
type Effects struct {
	Command string `json:"command"`
	// Seen, NotSeen and Unknown count the commands that the model took.
	Seen    uint64 `json:"seen"`
	NotSeen uint64 `json:"not_seen"`
	Unknown uint64 `json:"unknown"`
	// P50MS and P95MS are of Effect.After, in milliseconds, of the last that were
	// seen; zero without any.
	P50MS float64 `json:"p50_ms,omitempty"`
	P95MS float64 `json:"p95_ms,omitempty"`
	// SumMS is of all that were seen.
	SumMS float64 `json:"-"`
}

// EffectMeter is a [Session] that measures what its commands do to the picture.
type EffectMeter interface {
	// Effects returns what was measured, by the names of the commands in their
	// order.
	Effects() []Effects
}
