package graph

import (
	"slices"
	"sync/atomic"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// gravity lists the reasons for a break, each graver than those before it.
var gravity = [...]pipeline.Reason{"", pipeline.Loss, pipeline.Loop, pipeline.Reconnect, pipeline.Renewal}

// graver returns the reason that says more about two breaks in a row.
func graver(a, b pipeline.Reason) pipeline.Reason { return gravity[max(rank(a), rank(b))] }

// rank returns how grave a reason is. One that is not known is the gravest.
func rank(r pipeline.Reason) uint32 {
	if i := slices.Index(gravity[:], r); i >= 0 {
		return uint32(i)
	}
	return uint32(len(gravity) - 1)
}

// breaks remembers the gravest break that nobody was told of yet.
type breaks struct{ rank atomic.Uint32 }

func (b *breaks) add(r pipeline.Reason) {
	if r == "" {
		return
	}
	for {
		known := b.rank.Load()
		if known >= rank(r) || b.rank.CompareAndSwap(known, rank(r)) {
			return
		}
	}
}

func (b *breaks) take() pipeline.Reason {
	if b.rank.Load() == 0 {
		return ""
	}
	return gravity[b.rank.Swap(0)]
}
