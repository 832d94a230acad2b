package ingest

import (
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Receiving is how a source takes what packets bring: the settings that all share
// that do.
type Receiving struct {
	// OnLoss says what is shown between a loss and the next keyframe: freeze
	// lets no damaged picture through, show lets them.
	OnLoss OnLoss `yaml:"on_loss" oneof:"freeze,show"`
	// MaxUnit is the most coded data of one picture; one that has more is
	// dropped.
	MaxUnit config.Size `yaml:"max_unit"`

	Decoding `yaml:",inline"`
}

// OnLoss is what a source does about pictures that a loss damaged.
type OnLoss string

// The ways of a loss.
const (
	FreezeLoss OnLoss = "freeze"
	ShowLoss   OnLoss = "show"
)

func defaultReceiving() Receiving {
	return Receiving{OnLoss: FreezeLoss, MaxUnit: 8 << 20, Decoding: defaultDecoding()}
}

// problems are those of the fields.
func (r *Receiving) problems() []error {
	var errs []error
	if r.OnLoss != FreezeLoss && r.OnLoss != ShowLoss {
		errs = append(errs, fmt.Errorf("on_loss: must be freeze or show, got %q", r.OnLoss))
	}
	if r.MaxUnit < 1 || r.MaxUnit > maxBytes {
		errs = append(errs, fmt.Errorf("max_unit: must be 1 to %d bytes, got %d", maxBytes, r.MaxUnit))
	}
	return append(errs, r.Decoding.problems()...)
}
